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

    /// <summary>The size in bytes; 0 for an array without a size.</summary>
    public required int Bytes { get; set; }

    /// <summary>Whether the launch decides the size of this shared variable.</summary>
    public bool IsDynamic { get; init; }

    /// <summary>The register that represents a parameter of a function.</summary>
    public Register? Register { get; init; }

    /// <summary>The initial value; null if there is no initialiser.</summary>
    public byte[]? InitialValue { get; set; }

    /// <summary>The pointers in the initial value.</summary>
    public List<(int Offset, Variable Target, long TargetOffset)> Pointers { get; } = [];
}
