using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>The queries of a scope whose keys are absorbed, multiplied by k_proj: for every query the rows
/// <c>Wkᵀ·Q</c> of all heads side by side. A row is stored in blocks of lanes (see
/// <see cref="AbsorbedScope.LaneBlock"/>), each [D, lanes of the block]. The part depends on the grid only if
/// queries have positions.</summary>
internal sealed unsafe class FoldedQueries(PartKey key, AlignedBuffer memory, nint queryStride)
    : QueryPart(key, memory, queryStride)
{
    /// <summary>Queries whose products with all heads stay in the second-level cache until they are stored: whole
    /// register tiles, 96 KiB with 16 heads and 64 columns.</summary>
    private const int BlockQueries = 24;

    /// <summary>Multiplies queries by k_proj: row h of query m is <c>Wk_hᵀ·Q_mh</c>.</summary>
    /// <param name="key">What the part depends on.</param>
    /// <param name="queries">Projected queries, scaled by log₂e/√d, [M, D].</param>
    /// <param name="keys">k_proj.</param>
    /// <param name="config">The model's configuration.</param>
    /// <param name="laneCount">The number of heads, rounded up to whole tiles.</param>
    /// <param name="pool">Provides the memory.</param>
    /// <param name="workers">The threads that compute.</param>
    public static FoldedQueries Create<TSimd, TVector>(PartKey key, AlignedBuffer queries, WeightMatrix keys,
        ResamplerConfig config, int laneCount, BufferPool pool, WorkerPool workers)
        where TSimd : struct, ISimd<TVector>
    {
        int width = config.HiddenSize;
        int headSize = config.HeadSize;
        int queryCount = config.QueryGrid.QueryCount;
        int panelWidth = MicroKernel<TSimd, TVector>.PanelWidth;
        FoldedQueries folded = new(key, pool.Rent((long)queryCount * width * laneCount), (nint)width * laneCount);
        folded.Memory.Span.Clear();
        AlignedBuffer weight = pool.Rent(((long)width * width) + panelWidth);
        // The last tile reads past the end of the weight; the columns it computes there are discarded.
        weight.Span[(width * width)..].Clear();
        AlignedBuffer zeros = pool.Rent(panelWidth);
        zeros.Span.Clear();
        keys.CopyWeightTo(weight.Pointer);
        workers.For((width + panelWidth - 1) / panelWidth, panel =>
        {
            int first = panel * panelWidth;
            int columns = Math.Min(panelWidth, width - first);
            AlignedBuffer product = pool.Rent((long)BlockQueries * config.AttentionHeadCount * panelWidth);
            int stride = config.AttentionHeadCount * panelWidth;
            for (int query = 0; query < queryCount; query += BlockQueries)
            {
                int count = Math.Min(BlockQueries, queryCount - query);
                for (int head = 0; head < config.AttentionHeadCount; head++)
                    Gemm<TSimd, TVector>.Multiply(queries.Pointer + ((nint)query * width) + (head * headSize), width,
                        count, headSize, weight.Pointer + ((nint)head * headSize * width) + first, width, panelWidth,
                        columns, zeros.Pointer, 0, product.Pointer + (head * panelWidth), stride);
                for (int row = 0; row < count; row++)
                {
                    for (int block = 0; block < config.AttentionHeadCount; block += panelWidth)
                    {
                        int lanes = AbsorbedScope.LaneBlock<TSimd, TVector>(block, laneCount);
                        Transposition.Run(product.Pointer + ((nint)row * stride) + (block * panelWidth), panelWidth,
                            Math.Min(lanes, config.AttentionHeadCount - block), columns,
                            folded.At(query + row) + ((nint)block * width) + ((nint)first * lanes), lanes);
                    }
                }
            }

            pool.Return(product);
        });
        pool.Return(weight);
        pool.Return(zeros);
        GC.KeepAlive(queries);
        return folded;
    }
}
