namespace PtxEmulator.Decoding;

/// <summary>A register with the same value in all threads of a launch.</summary>
/// <param name="Slot">The register.</param>
/// <param name="LaneBytes">Bytes per thread; 0 for a predicate.</param>
/// <param name="Value">The value, or the offset from the address of the symbol.</param>
/// <param name="Symbol">The variable whose address is the base; null for a plain value.</param>
internal readonly record struct ConstantSlot(int Slot, int LaneBytes, ulong Value, Variable? Symbol);

/// <summary>A register with a predefined value.</summary>
internal readonly record struct SpecialSlot(int Slot, int LaneBytes, string Name);

/// <summary>A decoded kernel. All functions that it calls are inlined.</summary>
internal sealed class KernelCode
{
    public required string Name { get; init; }

    public required Instruction[] Instructions { get; init; }

    /// <summary>The size of the registers of a warp.</summary>
    public required int RegisterBytes { get; init; }

    public required IReadOnlyList<ConstantSlot> Constants { get; init; }

    public required IReadOnlyList<SpecialSlot> Specials { get; init; }

    /// <summary>The offsets of the shared, local and parameter variables in their state spaces.</summary>
    public required IReadOnlyDictionary<Variable, int> Offsets { get; init; }

    /// <summary>The static shared memory of the kernel; dynamic shared memory follows it.</summary>
    public required int StaticSharedBytes { get; init; }

    /// <summary>The offset of dynamic shared memory.</summary>
    public required int DynamicSharedOffset { get; init; }

    /// <summary>The size of the local variables of one thread.</summary>
    public required int LocalBytes { get; init; }

    /// <summary>The base-2 logarithm of the narrowest access to shared memory, at most 2.</summary>
    public required int SharedCellShift { get; init; }

    /// <summary>The same for global memory.</summary>
    public required int GlobalCellShift { get; init; }

    /// <summary>Whether the result can depend on the order of the blocks.</summary>
    public required bool HasGlobalAtomics { get; init; }

    /// <summary>The registers of products of warpgroups; null if the kernel has no instructions of
    /// warpgroups.</summary>
    public required ProductRegisters? ProductRegisters { get; init; }

    public required IReadOnlyList<Variable> GlobalVariables { get; init; }
}
