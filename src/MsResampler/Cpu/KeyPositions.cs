using System.Numerics.Tensors;
using MsResampler.Model;

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

    /// <summary>The sine–cosine embedding of width <paramref name="width"/>.</summary>
    public static KeyPositions SinCos(PatchGrid grid, int width)
    {
        BufferPool pool = new();
        return new KeyPositions(grid, Axis(grid.Rows), Axis(grid.Columns));

        AxisPositions Axis(int extent)
            => AxisPositions.Create(new PartKey(PartKind.AxisPositions, Rows: extent), width, pool);
    }

    /// <summary>A table stored on the query grid, [M, <paramref name="width"/>].</summary>
    public static KeyPositions Resized(ReadOnlySpan<float> table, QueryGrid from, PatchGrid grid, int width)
        => new(ResizedPositions.Create(new PartKey(PartKind.ResizedPositions, Rows: grid.Rows, Columns: grid.Columns),
            table, from, width, new BufferPool()));

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
