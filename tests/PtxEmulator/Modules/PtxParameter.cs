namespace PtxEmulator;

/// <summary>One parameter of an entry function.</summary>
/// <param name="Name">Its name in the text.</param>
/// <param name="Offset">Bytes before it.</param>
/// <param name="Size">Its bytes.</param>
public sealed record PtxParameter(string Name, int Offset, int Size);
