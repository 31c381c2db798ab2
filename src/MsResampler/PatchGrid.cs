namespace MsResampler;

/// <summary>The patch grid of one image: <paramref name="Rows"/> × <paramref name="Columns"/> patches, stored
/// row-major, so that patch (i, j) is feature row <c>i·Columns + j</c>.</summary>
/// <param name="Rows">H, the number of patch rows; at least 1.</param>
/// <param name="Columns">W, the number of patch columns; at least 1.</param>
public readonly record struct PatchGrid(int Rows, int Columns)
{
    /// <summary>N = H·W, the number of patches.</summary>
    public long PatchCount => (long)Rows * Columns;

    /// <inheritdoc/>
    public override string ToString() => $"{Rows}x{Columns}";
}
