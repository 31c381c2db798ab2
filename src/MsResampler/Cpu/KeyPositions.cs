using System.Numerics.Tensors;
using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>What keys add to Z on one grid. One half of a sine–cosine embedding depends on the column alone and the
/// other on the row alone, so that two small tables stand for N·D values; a resized table is kept whole.</summary>
internal sealed class KeyPositions
{
    private readonly int _columnCount;
    private readonly int _columnWidth;
    private readonly float[] _columns;
    private readonly float[] _rows;

    private KeyPositions(int columnCount, float[] columns, float[] rows)
    {
        _columnCount = columnCount;
        _columnWidth = columns.Length / columnCount;
        _columns = columns;
        _rows = rows;
    }

    public long Bytes => sizeof(float) * ((long)_columns.Length + _rows.Length);

    /// <summary>The sine–cosine embedding of width <paramref name="width"/>.</summary>
    public static KeyPositions SinCos(PatchGrid grid, int width)
    {
        int half = width / 2;
        float[] columns = new float[grid.Columns * half];
        float[] rows = new float[grid.Rows * half];
        float[] position = new float[width];
        for (int j = 0; j < grid.Columns; j++)
        {
            Position.SinCos(0, j, position);
            position.AsSpan(0, half).CopyTo(columns.AsSpan(j * half));
        }

        for (int i = 0; i < grid.Rows; i++)
        {
            Position.SinCos(i, 0, position);
            position.AsSpan(half).CopyTo(rows.AsSpan(i * half));
        }

        return new KeyPositions(grid.Columns, columns, rows);
    }

    /// <summary>A table stored on the query grid, [M, <paramref name="width"/>].</summary>
    public static KeyPositions Resized(ReadOnlySpan<float> table, QueryGrid from, PatchGrid grid, int width)
    {
        float[] resized = new float[grid.PatchCount * width];
        Position.Resize(table, from, grid, resized, width);
        return new KeyPositions((int)grid.PatchCount, resized, []);
    }

    /// <summary>Adds the position of a patch to its row of Z, [D].</summary>
    public void AddTo(ReadOnlySpan<float> row, int patch, Span<float> destination)
    {
        (int i, int j) = Math.DivRem(patch, _columnCount);
        TensorPrimitives.Add(row[.._columnWidth], _columns.AsSpan(j * _columnWidth, _columnWidth), destination);
        int rowWidth = row.Length - _columnWidth;
        if (rowWidth > 0)
            TensorPrimitives.Add(row[_columnWidth..], _rows.AsSpan(i * rowWidth, rowWidth),
                destination[_columnWidth..]);
    }
}
