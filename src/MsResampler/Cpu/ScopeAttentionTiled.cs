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

    private const int LineFloats = MicroKernel<TSimd, TVector>.LineFloats;

    private const int MaxRowCount = MicroKernel<TSimd, TVector>.MaxRowCount;

    /// <summary>Keys of the next block that are prefetched with one register tile of values. More at once would fill
    /// the buffers for cache misses.</summary>
    private const int PrefetchedKeys = 24;

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
    /// <param name="nextTile">The tile whose first keys are prefetched, because this thread is likely to compute it
    /// next; negative if there is none.</param>
    /// <param name="nextHead">The head of that tile.</param>
    public static void Run(TiledScope scope, int tileIndex, int head, int gridColumns, float* keys, float* values,
        HeadLayout layout, float* output, nint outputStride, float* scratch, FrameSum* frameSums = null,
        int headCount = 0, int nextTile = -1, int nextHead = 0)
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
        // Two offsets per key of a block: of its row of weights, and of its row of keys or values.
        int* offsets = stackalloc int[2 * KeyBlock];
        int* nextOffsets = stackalloc int[2 * KeyBlock];
        float* nextKeys = nextTile < 0 ? null : keys + (nextHead * layout.HeadStride);
        keys += head * layout.HeadStride;
        values += head * layout.HeadStride;
        int keyColumns = tile.KeyColumns.Count;
        bool isContiguous = keyColumns == gridColumns;
        // If the patches are consecutive, the same offsets serve every block, and the start of keys and values moves.
        int blockStride = isContiguous ? KeyBlock * layout.RowStride : 0;
        int nextCount = FillOffsets(offsets, tile, 0, gridColumns, lanes, layout.RowStride);
        for (int first = 0; first < tile.KeyCount; first += KeyBlock, keys += blockStride, values += blockStride)
        {
            int count = nextCount;
            bool isLast = first + KeyBlock >= tile.KeyCount;
            if (isLast)
                nextCount = nextTile < 0 ? 0
                    : FillOffsets(nextOffsets, scope.Tiles[nextTile], 0, gridColumns, lanes, layout.RowStride);
            else if (isContiguous)
                nextCount = Math.Min(KeyBlock, tile.KeyCount - first - KeyBlock);
            else
                nextCount = FillOffsets(nextOffsets, tile, first + KeyBlock, gridColumns, lanes, layout.RowStride);
            Logits(keys, values, offsets, count, queries, headSize, logits, lanes, isContiguous);
            (int row, int column) = Math.DivRem(first, keyColumns);
            ScopeSoftmax<TSimd, TVector>.AddBias(logits, count, lanes, rowBias, columnBias, row, column, keyColumns,
                maximum, total, rescale);
            ScopeSoftmax<TSimd, TVector>.Exponentiate(logits, count, lanes, maximum, total);
            if (first > 0)
                Rescale(sums, tile.QueryCount, headSize, rescale);
            AddValues(values, offsets, count, layout.RowStride, isContiguous, logits, lanes, tile.QueryCount, headSize,
                sums, isFirst: first == 0, isLast ? nextKeys : keys + blockStride,
                isContiguous && !isLast ? offsets : nextOffsets, nextCount);
            if (!isContiguous)
            {
                int* swapped = offsets;
                offsets = nextOffsets;
                nextOffsets = swapped;
            }
        }

        Store(scope, tile, head, headSize, sums, total, output, outputStride);
        for (int lane = 0; frameSums != null && lane < tile.QueryCount; lane++)
            frameSums[(tile.QueryIndex(lane, scope.GridColumns) * headCount) + head] =
                new FrameSum { Maximum = maximum[lane], Total = total[lane] };
    }

    /// <summary>Floats between the sums of two queries: whole vectors.</summary>
    private static int SumStride(int headSize) => (headSize + TSimd.Width - 1) / TSimd.Width * TSimd.Width;

    /// <summary>Writes the offsets of a block of patches of a tile's rectangle.</summary>
    /// <returns>The number of patches.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int FillOffsets(int* offsets, QueryTile tile, int first, int gridColumns, int lanes, int rowStride)
    {
        int keyColumns = tile.KeyColumns.Count;
        int count = Math.Min(KeyBlock, tile.KeyCount - first);
        (int row, int column) = Math.DivRem(first, keyColumns);
        int weights = 0;
        int offset = (((tile.KeyRows.Start + row) * gridColumns) + tile.KeyColumns.Start + column) * rowStride;
        int* end = offsets + (2 * count);
        while (offsets < end)
        {
            for (; column < keyColumns && offsets < end; column++, offsets += 2)
            {
                offsets[0] = weights;
                offsets[1] = offset;
                weights += lanes;
                offset += rowStride;
            }

            column = 0;
            offset += (gridColumns - keyColumns) * rowStride;
        }

        return count;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Prefetch(float* rows, int* offsets, int first, int end, int headSize)
    {
        for (int key = first; key < end; key++)
        {
            float* row = rows + offsets[(2 * key) + 1];
            for (int channel = 0; channel < headSize; channel += LineFloats)
                TSimd.Prefetch(row + channel);
        }
    }

    /// <summary>Computes the logits of a block. Meanwhile it prefetches the values of the block, which are read next:
    /// consecutive patches within the register tiles, the patches of a window before them.</summary>
    private static void Logits(float* keys, float* values, int* offsets, int count, float* queries, int headSize,
        float* logits, int lanes, bool isContiguous)
    {
        float* zeros = stackalloc float[lanes];
        new Span<float>(zeros, lanes).Clear();
        float** rows = stackalloc float*[MaxRowCount];
        int width = Math.Min(lanes, MicroKernel<TSimd, TVector>.PanelWidth);
        int tileRows = MicroKernel<TSimd, TVector>.RowCount(width);
        float* next = values + offsets[1];
        float* end = isContiguous ? values + offsets[(2 * count) - 1] : next;
        for (int key = 0; key < count; key += tileRows)
        {
            for (int r = 0; r < tileRows; r++)
                rows[r] = keys + offsets[(2 * Math.Min(key + r, count - 1)) + 1];
            if (!isContiguous)
                Prefetch(values, offsets, key, Math.Min(key + tileRows, count), headSize);
            for (int lane = 0; lane < lanes; lane += width, next += headSize * LineFloats)
                MicroKernel<TSimd, TVector>.Tile(width, rows, 1, headSize, queries + lane, lanes, zeros, 0,
                    logits + (key * lanes) + lane, lanes, next < end ? next : null);
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

    /// <summary>Adds the values of a block times their weights to the sums. Meanwhile it prefetches the next block of
    /// keys.</summary>
    private static void AddValues(float* values, int* offsets, int count, int rowStride, bool isContiguous,
        float* weights, int lanes, int queryCount, int headSize, float* sums, bool isFirst, float* nextKeys,
        int* nextOffsets, int nextCount)
    {
        int panelWidth = MicroKernel<TSimd, TVector>.PanelWidth;
        float* zeros = stackalloc float[panelWidth];
        new Span<float>(zeros, panelWidth).Clear();
        float** rows = stackalloc float*[MaxRowCount];
        int stride = SumStride(headSize);
        int widest = ChannelWidth(queryCount);
        float* next = nextCount == 0 ? null : nextKeys + nextOffsets[1];
        float* end = next + (nextCount * rowStride);
        int prefetched = 0;
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
                {
                    MicroKernel<TSimd, TVector>.Tile(width, rows, lanes, count, values + offsets[1] + channel,
                        rowStride, init, initStride, target, stride, next < end ? next : null);
                    next += count * LineFloats;
                    continue;
                }

                int keys = Math.Min(prefetched + PrefetchedKeys, nextCount);
                Prefetch(nextKeys, nextOffsets, prefetched, keys, headSize);
                prefetched = keys;
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
