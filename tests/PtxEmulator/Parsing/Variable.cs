namespace PtxEmulator.Parsing;

internal enum StateSpace
{
    Generic,
    Global,
    Constant,
    Shared,
    Local,

    /// <summary>Parameters of the entry function.</summary>
    Parameter,
}

/// <summary>A declared variable or parameter.</summary>
internal sealed class Variable
{
    public required string Name { get; init; }

    public required StateSpace Space { get; init; }

    public required PtxType Type { get; init; }

    public required int Alignment { get; init; }

    /// <summary>Its bytes; 0 for an array without a size.</summary>
    public required int Bytes { get; set; }

    /// <summary>Shared memory whose size the launch decides.</summary>
    public bool IsDynamic { get; init; }

    /// <summary>A register that stands for a parameter of a function.</summary>
    public Register? Register { get; init; }

    /// <summary>What it holds at first; null where it has no initialiser.</summary>
    public byte[]? InitialValue { get; set; }

    /// <summary>Pointers in the initial value.</summary>
    public List<(int Offset, Variable Target, long TargetOffset)> Pointers { get; } = [];
}
