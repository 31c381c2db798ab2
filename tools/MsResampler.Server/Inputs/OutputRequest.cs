namespace MsResampler.Server.Inputs;

/// <summary>An output as a request names it.</summary>
/// <param name="Name">The name of the tensor.</param>
/// <param name="Parameters">Its parameters.</param>
internal sealed record OutputRequest(string Name, Parameters Parameters);
