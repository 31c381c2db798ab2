namespace PtxEmulator;

/// <summary>One parameter of an entry function.</summary>
/// <param name="Name">The name in the PTX text.</param>
/// <param name="Offset">The offset in bytes.</param>
/// <param name="Size">The size in bytes.</param>
public sealed record PtxParameter(string Name, int Offset, int Size);
