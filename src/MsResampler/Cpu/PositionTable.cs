using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>Positions that keys add to Z: the half of the sine–cosine embedding along one axis, which all grids
/// share, or a stored table resized to one grid.</summary>
internal sealed class PositionTable : GridPart
{
    private readonly int _width;

    private PositionTable(PartKey key, AlignedBuffer memory, int width)
        : base(key, memory) => _width = width;

    /// <summary>The number of positions in a table for an axis of <paramref name="extent"/> patches, rounded up
    /// so that grids of similar size share a table.</summary>
    public static int ExtentOf(int extent)
    {
        const int Step = 64;
        return extent <= Step / 2 ? Step / 2 : (int)Math.Min(((long)extent + Step - 1) / Step * Step, int.MaxValue);
    }

    /// <summary>The sine–cosine embedding along one axis, [positions, D/2].</summary>
    /// <param name="key">What the part depends on; its rows are the number of positions.</param>
    /// <param name="width">D, a multiple of 4.</param>
    /// <param name="pool">Provides the memory.</param>
    public static PositionTable OfAxis(PartKey key, int width, BufferPool pool)
    {
        int half = width / 2;
        PositionTable table = new(key, pool.Rent((long)key.Rows * half), half);
        for (int patch = 0; patch < key.Rows; patch++)
            PositionEmbedding.SinCos(patch, table.Memory.Span.Slice(patch * half, half));
        return table;
    }

    /// <summary>A table stored on the query grid, resized to a patch grid, [N, D].</summary>
    /// <param name="key">What the part depends on: the patch grid.</param>
    /// <param name="stored">The stored table, [M, D].</param>
    /// <param name="queries">The query grid.</param>
    /// <param name="width">D.</param>
    /// <param name="pool">Provides the memory.</param>
    public static PositionTable Resized(PartKey key, ReadOnlySpan<float> stored, QueryGrid queries, int width,
        BufferPool pool)
    {
        PatchGrid grid = new(key.Rows, key.Columns);
        PositionTable table = new(key, pool.Rent(grid.PatchCount * width), width);
        PositionEmbedding.Resize(stored, queries, grid, width, width, table.Memory.Span);
        return table;
    }

    /// <summary>The row of a position, [D/2] or [D].</summary>
    public ReadOnlySpan<float> At(int position) => Memory.Span.Slice(position * _width, _width);
}
