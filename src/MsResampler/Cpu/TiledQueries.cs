using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>The queries of a scope whose keys are projected. Each tile and head has a table [d, lanes], the
/// right operand of a product; lanes without a query are zero. The part depends on the sizes of the tiles, and
/// on the grid only if queries have positions.</summary>
internal sealed unsafe class TiledQueries(PartKey key, AlignedBuffer memory, nint[] offsets, int[] headStrides)
    : TiledPart(key, memory, offsets, headStrides)
{
    /// <param name="key">What the part depends on.</param>
    /// <param name="tiles">The scope's tiles.</param>
    /// <param name="queries">Projected queries, scaled by log₂e/√d, [M, D].</param>
    /// <param name="config">The model's configuration.</param>
    /// <param name="pool">Provides the memory.</param>
    public static TiledQueries Create(PartKey key, IReadOnlyList<QueryTile> tiles, AlignedBuffer queries,
        ResamplerConfig config, BufferPool pool)
    {
        nint[] offsets = new nint[tiles.Count];
        int[] headStrides = new int[tiles.Count];
        nint count = 0;
        for (int index = 0; index < tiles.Count; index++)
        {
            offsets[index] = count;
            headStrides[index] = config.HeadSize * tiles[index].LaneCount;
            count += (nint)config.AttentionHeadCount * headStrides[index];
        }

        TiledQueries packed = new(key, pool.Rent(count), offsets, headStrides);
        packed.Memory.Span.Clear();
        for (int index = 0; index < tiles.Count; index++)
            packed.Pack(index, tiles[index], queries.Pointer, config);
        GC.KeepAlive(queries);
        return packed;
    }

    private void Pack(int index, QueryTile tile, float* queries, ResamplerConfig config)
    {
        int headSize = config.HeadSize;
        for (int lane = 0; lane < tile.QueryCount; lane++)
        {
            float* source = queries + ((nint)tile.QueryIndex(lane, config.QueryGrid.Columns) * config.HiddenSize);
            for (int head = 0; head < config.AttentionHeadCount; head++)
            {
                float* target = At(index, head) + lane;
                for (int k = 0; k < headSize; k++)
                    target[(nint)k * tile.LaneCount] = source[((nint)head * headSize) + k];
            }
        }
    }
}
