namespace PtxEmulator;

/// <summary>Where a fault happened; what does not apply is null.</summary>
internal readonly record struct FaultSite(string? Kernel, string Instruction, int Line, Dim3? Block, Dim3? Thread,
    ulong? Address);
