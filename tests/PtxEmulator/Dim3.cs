namespace PtxEmulator;

/// <summary>A size or a position in three dimensions.</summary>
public readonly record struct Dim3(int X, int Y = 1, int Z = 1)
{
    /// <summary>The number of elements in a box of this size.</summary>
    public long Count => (long)X * Y * Z;

    public override string ToString() => $"({X}, {Y}, {Z})";

    /// <summary>The position of a linear index in a box of this size; x varies fastest.</summary>
    internal Dim3 PositionOf(long index)
        => new((int)(index % X), (int)(index / X % Y), (int)(index / X / Y));
}
