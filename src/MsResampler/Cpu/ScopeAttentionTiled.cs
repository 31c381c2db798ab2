using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>Attention of one tile of queries and one head over the tile's rectangle of patches, with an online
/// softmax (Milakov and Gimelshein, arXiv 1805.02867; blocked as in FlashAttention, arXiv 2205.14135).</summary>
/// <remarks>Both products use the register tile. In the first, keys are rows and the lanes of a vector are queries: a
/// tile of logits is [keys, lanes], and the softmax needs no sums across lanes. In the second, queries are rows,
/// which read the weights in place, and lanes are channels: values are read as they are stored, and results are in
/// the order of the output. Only the patches of the rectangle are read, in blocks of keys; there is no array of N·M
/// values.</remarks>
[SkipLocalsInit]
internal static unsafe class ScopeAttentionTiled<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Keys per block. With 64 lanes the logits of a block take 24 KiB, half of a first-level cache of
    /// 48 KiB.</summary>
    private const int KeyBlock = 96;

    private const int MaxRowCount = MicroKernel<TSimd, TVector>.MaxRowCount;

    /// <summary>Floats of scratch memory that a tile needs.</summary>
    public static int ScratchCount(int laneCount, int headSize)
        => ((KeyBlock + MaxRowCount + 3) * laneCount) + ((laneCount + MaxRowCount) * SumStride(headSize));

    /// <summary>Computes the attention output of one tile and one head.</summary>
    /// <param name="scope">The scope's operands.</param>
    /// <param name="tileIndex">The tile.</param>
    /// <param name="head">The head.</param>
    /// <param name="gridColumns">Columns of the patch grid.</param>
    /// <param name="keys">The image's projected keys.</param>
    /// <param name="values">The image's projected values, each row readable up to its stride.</param>
    /// <param name="layout">The layout of keys and values.</param>
    /// <param name="output">The image's attention outputs, [M, S·D], at channel 0 of this scope.</param>
    /// <param name="outputStride">Floats between rows of <paramref name="output"/>.</param>
    /// <param name="scratch">Scratch memory, <see cref="ScratchCount"/> floats.</param>
    /// <param name="frameSums">Receives the sums of the softmax, [M, A]; may be null.</param>
    /// <param name="headCount">A; used only for <paramref name="frameSums"/>.</param>
    public static void Run(TiledScope scope, int tileIndex, int head, int gridColumns, float* keys, float* values,
        HeadLayout layout, float* output, nint outputStride, float* scratch, FrameSum* frameSums = null,
        int headCount = 0)
    {
        QueryTile tile = scope.Tiles[tileIndex];
        int headSize = layout.HeadSize;
        int lanes = tile.LaneCount;
        float* logits = scratch;
        float* maximum = logits + ((KeyBlock + MaxRowCount) * lanes);
        float* total = maximum + lanes;
        float* rescale = total + lanes;
        float* sums = rescale + lanes;
        ScopeSoftmax<TSimd, TVector>.Start(maximum, total, lanes);
        float* queries = scope.Queries(tileIndex, head);
        float* rowBias = scope.RowBias(tileIndex, head);
        float* columnBias = rowBias is null ? null : scope.ColumnBias(tileIndex, head);
        keys += head * layout.HeadStride;
        values += head * layout.HeadStride;

        // Two offsets per key of a block: of its row of weights, and of its row of keys or values.
        int* offsets = stackalloc int[2 * KeyBlock];
        int keyColumns = tile.KeyColumns.Count;
        for (int first = 0; first < tile.KeyCount; first += KeyBlock)
        {
            int count = Math.Min(KeyBlock, tile.KeyCount - first);
            (int row, int column) = Math.DivRem(first, keyColumns);
            for (int key = 0, i = row, j = column; key < count; key++)
            {
                offsets[2 * key] = key * lanes;
                offsets[(2 * key) + 1] = (((tile.KeyRows.Start + i) * gridColumns) + tile.KeyColumns.Start + j)
                    * layout.RowStride;
                if (++j == keyColumns)
                    (i, j) = (i + 1, 0);
            }

            // The values are read after the logits, and the keys of the next block after the values.
            Prefetch(values, offsets, count, headSize);
            Logits(keys, offsets, count, queries, headSize, logits, lanes);
            ScopeSoftmax<TSimd, TVector>.AddBias(logits, count, lanes, rowBias, columnBias, row, column, keyColumns,
                maximum, total, rescale);
            ScopeSoftmax<TSimd, TVector>.Exponentiate(logits, count, lanes, maximum, total);
            Prefetch(keys + (count * layout.RowStride), offsets, count, headSize);
            if (first > 0)
                Rescale(sums, tile.QueryCount, headSize, rescale);
            AddValues(values, offsets, count, layout.RowStride, keyColumns == gridColumns, logits, lanes,
                tile.QueryCount, headSize, sums, isFirst: first == 0);
        }

        Store(scope, tile, head, headSize, sums, total, output, outputStride);
        for (int lane = 0; frameSums != null && lane < tile.QueryCount; lane++)
            frameSums[(tile.QueryIndex(lane, scope.GridColumns) * headCount) + head] =
                new FrameSum { Maximum = maximum[lane], Total = total[lane] };
    }

    /// <summary>Floats between the sums of two queries: whole vectors.</summary>
    private static int SumStride(int headSize) => (headSize + TSimd.Width - 1) / TSimd.Width * TSimd.Width;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Prefetch(float* rows, int* offsets, int count, int headSize)
    {
        const int LineFloats = 16;
        for (int key = 0; key < count; key++)
            for (int channel = 0; channel < headSize; channel += LineFloats)
                TSimd.Prefetch(rows + offsets[(2 * key) + 1] + channel);
    }

    private static void Logits(float* keys, int* offsets, int count, float* queries, int headSize, float* logits,
        int lanes)
    {
        float* zeros = stackalloc float[lanes];
        new Span<float>(zeros, lanes).Clear();
        float** rows = stackalloc float*[MaxRowCount];
        int width = Math.Min(lanes, MicroKernel<TSimd, TVector>.PanelWidth);
        int tileRows = MicroKernel<TSimd, TVector>.RowCount(width);
        for (int key = 0; key < count; key += tileRows)
        {
            for (int r = 0; r < tileRows; r++)
                rows[r] = keys + offsets[(2 * Math.Min(key + r, count - 1)) + 1];
            for (int lane = 0; lane < lanes; lane += width)
                MicroKernel<TSimd, TVector>.Tile(width, rows, 1, headSize, queries + lane, lanes, zeros, 0,
                    logits + (key * lanes) + lane, lanes);
        }
    }

    /// <summary>Multiplies the sums of the queries whose maximum has changed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rescale(float* sums, int queryCount, int headSize, float* rescale)
    {
        int stride = SumStride(headSize);
        for (int query = 0; query < queryCount; query++, sums += stride)
        {
            if (rescale[query] == 1)
                continue;
            TVector factor = TSimd.Broadcast(rescale + query);
            for (int channel = 0; channel < stride; channel += TSimd.Width)
                TSimd.Store(sums + channel, TSimd.Multiply(TSimd.Load(sums + channel), factor));
        }
    }

    private static void AddValues(float* values, int* offsets, int count, int rowStride, bool isContiguous,
        float* weights, int lanes, int queryCount, int headSize, float* sums, bool isFirst)
    {
        int panelWidth = MicroKernel<TSimd, TVector>.PanelWidth;
        float* zeros = stackalloc float[panelWidth];
        new Span<float>(zeros, panelWidth).Clear();
        float** rows = stackalloc float*[MaxRowCount];
        int stride = SumStride(headSize);
        int widest = ChannelWidth(queryCount);
        for (int channel = 0, width; channel < headSize; channel += width)
        {
            width = MicroKernel<TSimd, TVector>.TileWidth(Math.Min(headSize - channel, widest));
            int tileRows = MicroKernel<TSimd, TVector>.RowCount(width);
            for (int query = 0; query < queryCount; query += tileRows)
            {
                for (int r = 0; r < tileRows; r++)
                    rows[r] = weights + Math.Min(query + r, queryCount - 1);
                float* target = sums + (query * stride) + channel;
                float* init = isFirst ? zeros : target;
                int initStride = isFirst ? 0 : stride;
                if (isContiguous)
                    MicroKernel<TSimd, TVector>.Tile(width, rows, lanes, count, values + offsets[1] + channel,
                        rowStride, init, initStride, target, stride);
                else
                    MicroKernel<TSimd, TVector>.Gather(width, rows, values + channel, offsets, count, init, initStride,
                        target, stride);
            }
        }
    }

    /// <summary>Channels of the tiles that sum values: 4 vectors, or 2 where that leaves fewer rows of the last tile
    /// unused.</summary>
    private static int ChannelWidth(int queryCount)
    {
        int panelWidth = MicroKernel<TSimd, TVector>.PanelWidth;
        return TSimd.PanelVectors == 4 && Padded(queryCount, panelWidth / 2) < Padded(queryCount, panelWidth)
            ? panelWidth / 2 : panelWidth;

        static int Padded(int queryCount, int width)
        {
            int rows = MicroKernel<TSimd, TVector>.RowCount(width);
            return (queryCount + rows - 1) / rows * rows;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Store(TiledScope scope, QueryTile tile, int head, int headSize, float* sums, float* total,
        float* output, nint outputStride)
    {
        for (int query = 0; query < tile.QueryCount; query++, sums += SumStride(headSize))
        {
            float* target = output + (tile.QueryIndex(query, scope.GridColumns) * outputStride) + (head * headSize);
            float scale = 1 / total[query];
            TVector factor = TSimd.Create(scale);
            int channel = 0;
            for (; channel + TSimd.Width <= headSize; channel += TSimd.Width)
                TSimd.Store(target + channel, TSimd.Multiply(TSimd.Load(sums + channel), factor));
            for (; channel < headSize; channel++)
                target[channel] = sums[channel] * scale;
        }
    }
}
