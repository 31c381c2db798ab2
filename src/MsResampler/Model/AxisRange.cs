namespace MsResampler.Model;

/// <summary>A half-open range of patch rows or columns.</summary>
/// <param name="Start">The first index.</param>
/// <param name="End">One past the last index.</param>
public readonly record struct AxisRange(int Start, int End)
{
    /// <summary>The number of indices.</summary>
    public int Count => End - Start;

    /// <summary>Whether the range holds <paramref name="index"/>.</summary>
    public bool Contains(int index) => index >= Start && index < End;

    /// <summary>The smallest range that holds both.</summary>
    public AxisRange Union(AxisRange other) => new(Math.Min(Start, other.Start), Math.Max(End, other.End));

    /// <inheritdoc/>
    public override string ToString() => $"[{Start}, {End})";
}
