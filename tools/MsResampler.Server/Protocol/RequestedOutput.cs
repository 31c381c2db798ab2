namespace MsResampler.Server.Protocol;

/// <summary>An output that a request asks for.</summary>
/// <param name="Name">The name of the tensor, one of <see cref="TensorNames"/>.</param>
/// <param name="Datatype">The element type of the answer.</param>
/// <param name="IsBinary">Whether a REST answer has the values as binary data; gRPC answers always do.</param>
internal sealed record RequestedOutput(string Name, Datatype Datatype, bool IsBinary);
