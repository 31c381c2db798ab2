using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>Attention of one query, all heads at once, over exactly its window, with keys absorbed into the query.
/// </summary>
/// <remarks>Heads lie along the vector lanes: they share the window's rows of Z, which are read in place.</remarks>
internal static unsafe class ScopeAttentionAbsorbed<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int RowCount = MicroKernel<TSimd, TVector>.RowCount;

    /// <summary>Floats of scratch that a query needs when values are projected.</summary>
    public static int ScratchCount(AbsorbedScope scope, int headSize)
        => ((scope.MaxKeyCount + RowCount) * scope.LaneCount) + headSize + MicroKernel<TSimd, TVector>.PanelWidth;

    /// <summary>Computes the query's attention weights.</summary>
    /// <param name="scope">The scope's operands.</param>
    /// <param name="query">The query.</param>
    /// <param name="width">D.</param>
    /// <param name="features">The image's Z with positions, [N, <paramref name="stride"/>].</param>
    /// <param name="stride">Floats between its rows.</param>
    /// <param name="weights">Receives [keys of the window, lanes]; six more rows are overwritten.</param>
    public static void Weigh(AbsorbedScope scope, int query, int width, float* features, nint stride, float* weights)
    {
        int lanes = scope.LaneCount;
        AxisRange keyRows = scope.Windows.Rows[query / scope.GridColumns];
        AxisRange keyColumns = scope.Windows.Columns[query % scope.GridColumns];
        int keyCount = keyRows.Count * keyColumns.Count;
        float* rowBias = scope.RowBias(query / scope.GridColumns);
        float* columnBias = rowBias is null ? null : scope.ColumnBias(query % scope.GridColumns);
        float* zeros = stackalloc float[MicroKernel<TSimd, TVector>.PanelWidth];
        new Span<float>(zeros, MicroKernel<TSimd, TVector>.PanelWidth).Clear();
        float** rows = stackalloc float*[RowCount];
        for (int key = 0; key < keyCount; key += RowCount)
        {
            for (int r = 0; r < RowCount; r++)
            {
                (int i, int j) = Math.DivRem(Math.Min(key + r, keyCount - 1), keyColumns.Count);
                rows[r] = features + (((((nint)keyRows.Start + i) * scope.Windows.Grid.Columns) + keyColumns.Start + j)
                    * stride);
            }

            for (int lane = 0; lane < lanes;)
            {
                int block = AbsorbedScope.LaneBlock<TSimd, TVector>(lane, lanes);
                MicroKernel<TSimd, TVector>.Tile(block, rows, 1, width, scope.Queries(query) + ((nint)lane * width), block,
                    zeros, 0, weights + (key * lanes) + lane, lanes);
                lane += block;
            }
        }

        for (int lane = 0; lane < lanes; lane += TSimd.Width)
        {
            TVector best = TSimd.Create(float.NegativeInfinity);
            for (int key = 0; key < keyCount; key++)
            {
                float* logit = weights + (key * lanes) + lane;
                if (rowBias is not null)
                {
                    (int i, int j) = Math.DivRem(key, keyColumns.Count);
                    TSimd.Store(logit, TSimd.Add(TSimd.Load(logit), TSimd.Add(TSimd.Load(rowBias + (i * lanes) + lane),
                        TSimd.Load(columnBias + (j * lanes) + lane))));
                }

                best = TSimd.Max(best, TSimd.Load(logit));
            }

            TVector sum = TSimd.Zero;
            for (int key = 0; key < keyCount; key++)
            {
                float* logit = weights + (key * lanes) + lane;
                TVector weight = VectorMath<TSimd, TVector>.Exp2(TSimd.Subtract(TSimd.Load(logit), best));
                TSimd.Store(logit, weight);
                sum = TSimd.Add(sum, weight);
            }

            TVector scale = TSimd.Divide(TSimd.Create(1), sum);
            for (int key = 0; key < keyCount; key++)
            {
                float* weight = weights + (key * lanes) + lane;
                TSimd.Store(weight, TSimd.Multiply(TSimd.Load(weight), scale));
            }
        }
    }

    /// <summary>The weighted sum of projected values for one query.</summary>
    /// <param name="scope">The scope's operands.</param>
    /// <param name="query">The query.</param>
    /// <param name="config">The model.</param>
    /// <param name="values">The image's projected values, [N, <paramref name="stride"/>], followed by at least a tile's
    /// width of readable floats.</param>
    /// <param name="stride">Floats between its rows.</param>
    /// <param name="weights">The query's attention weights.</param>
    /// <param name="output">The query's attention output, [D].</param>
    /// <param name="scratch">d and a tile's width of floats.</param>
    public static void SumValues(AbsorbedScope scope, int query, ResamplerConfig config, float* values, nint stride,
        float* weights, float* output, float* scratch)
    {
        int panelWidth = MicroKernel<TSimd, TVector>.PanelWidth;
        int headSize = config.HeadSize;
        AxisRange keyRows = scope.Windows.Rows[query / scope.GridColumns];
        AxisRange keyColumns = scope.Windows.Columns[query % scope.GridColumns];
        for (int head = 0; head < config.AttentionHeadCount; head++)
        {
            new Span<float>(scratch, headSize + panelWidth).Clear();
            float* weight = weights + head;
            for (int i = keyRows.Start; i < keyRows.End; i++, weight += keyColumns.Count * scope.LaneCount)
            {
                float* first = values + ((((nint)i * scope.Windows.Grid.Columns) + keyColumns.Start) * stride)
                    + (head * headSize);
                for (int channel = 0; channel < headSize; channel += panelWidth)
                    MicroKernel<TSimd, TVector>.Row(panelWidth, weight, scope.LaneCount, keyColumns.Count, first + channel,
                        stride, scratch + channel, scratch + channel);
            }

            new ReadOnlySpan<float>(scratch, headSize).CopyTo(new Span<float>(output + (head * headSize), headSize));
        }
    }
}
