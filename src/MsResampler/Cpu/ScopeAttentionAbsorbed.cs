using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;

namespace MsResampler.Cpu;

/// <summary>Attention of one query over its window for all heads, with keys absorbed into the query.</summary>
/// <remarks>The lanes of a vector are heads. They share the rows of Z in the window, which are read in
/// place.</remarks>
[SkipLocalsInit]
internal static unsafe class ScopeAttentionAbsorbed<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    private const int LineFloats = MicroKernel<TSimd, TVector>.LineFloats;

    private const int MaxRowCount = MicroKernel<TSimd, TVector>.MaxRowCount;

    /// <summary>Channels per pass. With 16 heads, the folded queries of these channels take 16 KiB and stay in
    /// the first-level cache for all keys of the window.</summary>
    private const int ChannelBlock = 256;

    /// <summary>Floats of scratch memory that a query needs, for weights, key offsets and the sums of a
    /// head.</summary>
    public static int ScratchCount(AbsorbedScope scope, int headSize) => WeightCount(scope) + (2 * scope.MaxKeyCount)
        + headSize + MicroKernel<TSimd, TVector>.PanelWidth;

    /// <summary>Writes the attention weights of a query, [keys, lanes], to the start of
    /// <paramref name="scratch"/>.</summary>
    /// <param name="scope">The scope's operands.</param>
    /// <param name="query">The query.</param>
    /// <param name="width">D.</param>
    /// <param name="features">The image's Z plus positions, [N, <paramref name="stride"/>].</param>
    /// <param name="stride">Floats between rows of <paramref name="features"/>.</param>
    /// <param name="scratch">Scratch memory, <see cref="ScratchCount"/> floats.</param>
    /// <param name="next">Folded queries to prefetch into the second-level cache, or null. Each query's rows
    /// are read once per frame, so they are not in the cache from an earlier use.</param>
    /// <param name="frameSums">Receives the sums of the softmax of each head, [A]; may be null.</param>
    /// <param name="headCount">A; used only for <paramref name="frameSums"/>.</param>
    public static void ComputeWeights(AbsorbedScope scope, int query, int width, float* features, int stride,
        float* scratch, float* next, FrameSum* frameSums = null, int headCount = 0)
    {
        float* weights = scratch;
        int* offsets = Offsets(scope, scratch);
        int lanes = scope.LaneCount;
        int keyCount = scope.KeyOffsets(query, stride, offsets);
        int keyColumns = scope.Windows.Columns[query % scope.GridColumns].Count;
        float* rowBias = scope.RowBias(query / scope.GridColumns);
        float* columnBias = rowBias is null ? null : scope.ColumnBias(query % scope.GridColumns);
        float* zeros = stackalloc float[MicroKernel<TSimd, TVector>.PanelWidth];
        new Span<float>(zeros, MicroKernel<TSimd, TVector>.PanelWidth).Clear();
        float** rows = stackalloc float*[MaxRowCount];
        for (int lane = 0; lane < lanes;)
        {
            int block = AbsorbedScope.LaneBlock<TSimd, TVector>(lane, lanes);
            int tileRows = MicroKernel<TSimd, TVector>.RowCount(block);
            float* queries = scope.Queries(query) + ((nint)lane * width);
            for (int channel = 0; channel < width; channel += ChannelBlock)
            {
                int channels = Math.Min(ChannelBlock, width - channel);
                int linesPerKey = next == null ? 0 : (channels * block / LineFloats / keyCount) + 1;
                float* line = next + ((nint)lane * width) + ((nint)channel * block);
                for (int key = 0; key < keyCount; key += tileRows)
                {
                    for (int count = linesPerKey * tileRows; count > 0; count--, line += LineFloats)
                        TSimd.Prefetch(line);
                    for (int r = 0; r < tileRows; r++)
                        rows[r] = features + offsets[(2 * Math.Min(key + r, keyCount - 1)) + 1] + channel;
                    float* logits = weights + (key * lanes) + lane;
                    MicroKernel<TSimd, TVector>.Tile(block, rows, 1, channels, queries + (channel * block), block,
                        channel == 0 ? zeros : logits, channel == 0 ? 0 : lanes, logits, lanes);
                }
            }

            lane += block;
        }

        for (int lane = 0; lane < lanes; lane += TSimd.Width)
        {
            TVector best = TSimd.Create(float.NegativeInfinity);
            // Becomes NaN if a logit is not finite. Without this, an overflow to −∞ would be a weight of 0.
            TVector sum = TSimd.Zero;
            for (int key = 0; key < keyCount; key++)
            {
                float* logit = weights + (key * lanes) + lane;
                sum = TSimd.MultiplyAdd(TSimd.Load(logit), TSimd.Zero, sum);
                if (rowBias is not null)
                {
                    (int i, int j) = Math.DivRem(key, keyColumns);
                    TSimd.Store(logit, TSimd.Add(TSimd.Load(logit), TSimd.Add(TSimd.Load(rowBias + (i * lanes) + lane),
                        TSimd.Load(columnBias + (j * lanes) + lane))));
                }

                best = TSimd.Max(best, TSimd.Load(logit));
            }

            for (int key = 0; key < keyCount; key++)
            {
                float* logit = weights + (key * lanes) + lane;
                TVector weight = VectorMath<TSimd, TVector>.Exp2(TSimd.Subtract(TSimd.Load(logit), best));
                TSimd.Store(logit, weight);
                sum = TSimd.Add(sum, weight);
            }

            if (frameSums != null)
                Store(best, sum, frameSums + lane, Math.Min(TSimd.Width, headCount - lane));
            TVector scale = TSimd.Divide(TSimd.Create(1), sum);
            for (int key = 0; key < keyCount; key++)
            {
                float* weight = weights + (key * lanes) + lane;
                TSimd.Store(weight, TSimd.Multiply(TSimd.Load(weight), scale));
            }
        }
    }

    /// <summary>Computes the weighted sum of projected values for one query. Call it after
    /// <see cref="ComputeWeights"/>.</summary>
    /// <param name="scope">The scope's operands.</param>
    /// <param name="query">The query.</param>
    /// <param name="headCount">A.</param>
    /// <param name="values">The image's projected values, followed by readable floats for the width of one
    /// tile.</param>
    /// <param name="layout">The layout of the values.</param>
    /// <param name="output">The query's attention output, [D].</param>
    /// <param name="scratch">The scratch memory of <see cref="ComputeWeights"/>.</param>
    public static void SumValues(AbsorbedScope scope, int query, int headCount, float* values, HeadLayout layout,
        float* output, float* scratch)
    {
        int panelWidth = MicroKernel<TSimd, TVector>.PanelWidth;
        int* offsets = Offsets(scope, scratch);
        int keyCount = scope.KeyOffsets(query, layout.RowStride, offsets);
        float* sums = (float*)(offsets + (2 * scope.MaxKeyCount));
        for (int head = 0; head < headCount; head++)
        {
            new Span<float>(sums, layout.HeadSize + panelWidth).Clear();
            for (int channel = 0; channel < layout.HeadSize; channel += panelWidth)
                MicroKernel<TSimd, TVector>.GatherRow(panelWidth, scratch + head,
                    values + (head * layout.HeadStride) + channel, offsets, keyCount, sums + channel, sums + channel);
            new ReadOnlySpan<float>(sums, layout.HeadSize).CopyTo(
                new Span<float>(output + (head * layout.HeadSize), layout.HeadSize));
        }
    }

    private static void Store(TVector maximum, TVector total, FrameSum* frameSums, int count)
    {
        float* lanes = stackalloc float[2 * TSimd.Width];
        TSimd.Store(lanes, maximum);
        TSimd.Store(lanes + TSimd.Width, total);
        for (int lane = 0; lane < count; lane++)
            frameSums[lane] = new FrameSum { Maximum = lanes[lane], Total = lanes[TSimd.Width + lane] };
    }

    /// <summary>Floats for the weights, including the surplus rows that the last tile writes.</summary>
    private static int WeightCount(AbsorbedScope scope) => (scope.MaxKeyCount + MaxRowCount) * scope.LaneCount;

    private static int* Offsets(AbsorbedScope scope, float* scratch) => (int*)(scratch + WeightCount(scope));
}
