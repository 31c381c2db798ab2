namespace PtxEmulator.Decoding;

/// <summary>A register that holds the same value for all threads of a launch.</summary>
/// <param name="Slot">The register.</param>
/// <param name="LaneBytes">Bytes of one thread; 0 for a predicate.</param>
/// <param name="Value">The value, or what to add to the symbol's address.</param>
/// <param name="Symbol">A variable whose address is meant.</param>
internal readonly record struct ConstantSlot(int Slot, int LaneBytes, ulong Value, Variable? Symbol);

/// <summary>A register that holds a predefined value.</summary>
internal readonly record struct SpecialSlot(int Slot, int LaneBytes, string Name);

/// <summary>A kernel, decoded, with all functions that it calls inlined.</summary>
internal sealed class KernelCode
{
    public required string Name { get; init; }

    public required Instruction[] Instructions { get; init; }

    /// <summary>Bytes of a warp's registers.</summary>
    public required int RegisterBytes { get; init; }

    public required IReadOnlyList<ConstantSlot> Constants { get; init; }

    public required IReadOnlyList<SpecialSlot> Specials { get; init; }

    /// <summary>Offsets of the shared, local and parameter variables in their spaces.</summary>
    public required IReadOnlyDictionary<Variable, int> Offsets { get; init; }

    /// <summary>Shared bytes that the kernel declares; dynamic shared memory follows.</summary>
    public required int StaticSharedBytes { get; init; }

    /// <summary>Where dynamic shared memory starts.</summary>
    public required int DynamicSharedOffset { get; init; }

    /// <summary>Bytes of the local variables of a thread.</summary>
    public required int LocalBytes { get; init; }

    /// <summary>Logarithm of the narrowest access to shared memory, at most 2.</summary>
    public required int SharedCellShift { get; init; }

    /// <summary>Whether the order of blocks may show in the result.</summary>
    public required bool HasGlobalAtomics { get; init; }

    public required IReadOnlyList<Variable> GlobalVariables { get; init; }
}
