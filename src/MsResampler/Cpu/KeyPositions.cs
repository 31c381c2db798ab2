using System.Numerics.Tensors;

namespace MsResampler.Cpu;

/// <summary>What keys add to Z on one grid. One half of a sine–cosine embedding depends on the column alone and the
/// other on the row alone, so that a small table for each stands for N·D values; a resized table is kept whole.
/// </summary>
internal sealed class KeyPositions
{
    private readonly int _columnCount;
    private readonly AxisPositions? _rows;
    private readonly AxisPositions? _columns;
    private readonly ResizedPositions? _patches;

    /// <param name="grid">The patch grid.</param>
    /// <param name="rows">At least the grid's rows.</param>
    /// <param name="columns">At least the grid's columns.</param>
    public KeyPositions(PatchGrid grid, AxisPositions rows, AxisPositions columns)
    {
        _columnCount = grid.Columns;
        _rows = rows;
        _columns = columns;
    }

    public KeyPositions(ResizedPositions patches) => _patches = patches;

    /// <summary>Adds the position of a patch to its row of Z, [D].</summary>
    public void AddTo(ReadOnlySpan<float> row, int patch, Span<float> destination)
    {
        if (_patches is not null)
        {
            TensorPrimitives.Add(row, _patches.At(patch), destination);
            return;
        }

        (int i, int j) = Math.DivRem(patch, _columnCount);
        ReadOnlySpan<float> column = _columns!.At(j);
        TensorPrimitives.Add(row[..column.Length], column, destination);
        TensorPrimitives.Add(row[column.Length..], _rows!.At(i), destination[column.Length..]);
    }
}
