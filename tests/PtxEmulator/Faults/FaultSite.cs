namespace PtxEmulator;

/// <summary>The location of a fault; parts that do not apply are null.</summary>
internal readonly record struct FaultSite(string? Kernel, string Instruction, int Line, Dim3? Block, Dim3? Thread,
    ulong? Address);
