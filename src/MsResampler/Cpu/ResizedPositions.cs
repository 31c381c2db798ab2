using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>A table of positions stored on the query grid, resized to a patch grid and kept whole, [N, D].</summary>
internal sealed class ResizedPositions : GridPart
{
    private readonly int _width;

    private ResizedPositions(PartKey key, AlignedBuffer memory, int width)
        : base(key, memory) => _width = width;

    /// <param name="key">What the part depends on, the patch grid.</param>
    /// <param name="table">The stored table, [M, D].</param>
    /// <param name="from">The query grid.</param>
    /// <param name="width">D.</param>
    /// <param name="pool">Where memory comes from.</param>
    public static ResizedPositions Create(PartKey key, ReadOnlySpan<float> table, QueryGrid from, int width,
        BufferPool pool)
    {
        PatchGrid grid = new(key.Rows, key.Columns);
        ResizedPositions resized = new(key, pool.Rent(grid.PatchCount * width), width);
        PositionEmbedding.Resize(table, from, grid, width, width, resized.Memory.Span);
        return resized;
    }

    /// <summary>What a patch adds to Z, [D].</summary>
    public ReadOnlySpan<float> At(int patch) => Memory.Span.Slice(patch * _width, _width);
}
