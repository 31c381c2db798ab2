using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>Attention of one tile of queries and one head over the tile's rectangle of patches, with an online
/// softmax (Milakov and Gimelshein, arXiv 1805.02867; blocked as in FlashAttention, arXiv 2205.14135).</summary>
/// <remarks>The lanes of a vector are queries. A tile of logits is [keys, lanes], the softmax needs no sums
/// across lanes, and both products use the same register tile: keys times queries, and values (transposed
/// through their row pointers) times weights. Only the patches of the rectangle are read, in blocks of keys;
/// there is no array of N·M values.</remarks>
[SkipLocalsInit]
internal static unsafe class ScopeAttentionTiled<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Keys per block. With 64 lanes the logits of a block take 24 KiB, half of a first-level cache of
    /// 48 KiB.</summary>
    private const int KeyBlock = 96;

    private const int MaxRowCount = MicroKernel<TSimd, TVector>.MaxRowCount;

    /// <summary>The maximum of an empty set of logits. It is finite, so that a block whose keys are all masked
    /// for a query gives weights of 0: with −∞, −∞ − (−∞) would be NaN. No finite logit is below it.</summary>
    private const float Lowest = float.MinValue;

    /// <summary>Floats of scratch memory that a tile needs.</summary>
    public static int ScratchCount(int laneCount, int headSize)
        => (KeyBlock + MaxRowCount + headSize + MaxRowCount + 3) * laneCount;

    /// <summary>Computes the attention output of one tile and one head.</summary>
    /// <param name="scope">The scope's operands.</param>
    /// <param name="tileIndex">The tile.</param>
    /// <param name="head">The head.</param>
    /// <param name="gridColumns">Columns of the patch grid.</param>
    /// <param name="keys">The image's projected keys.</param>
    /// <param name="values">The image's projected values.</param>
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
        float* sums = logits + ((KeyBlock + MaxRowCount) * lanes);
        float* maximum = sums + ((headSize + MaxRowCount) * lanes);
        float* total = maximum + lanes;
        float* rescale = total + lanes;
        new Span<float>(sums, (headSize + MaxRowCount) * lanes).Clear();
        new Span<float>(maximum, lanes).Fill(Lowest);
        new Span<float>(total, lanes).Clear();
        float* queries = scope.Queries(tileIndex, head);
        float* rowBias = scope.RowBias(tileIndex, head);
        float* columnBias = rowBias is null ? null : scope.ColumnBias(tileIndex, head);
        keys += head * layout.HeadStride;
        values += head * layout.HeadStride;

        // Two offsets per key of a block: of its row of keys or values, and of its row of weights.
        int* offsets = stackalloc int[2 * KeyBlock];
        int keyColumns = tile.KeyColumns.Count;
        for (int first = 0; first < tile.KeyCount; first += KeyBlock)
        {
            int count = Math.Min(KeyBlock, tile.KeyCount - first);
            (int row, int column) = Math.DivRem(first, keyColumns);
            for (int key = 0, i = row, j = column; key < count; key++)
            {
                offsets[2 * key] = (((tile.KeyRows.Start + i) * gridColumns) + tile.KeyColumns.Start + j)
                    * layout.RowStride;
                offsets[(2 * key) + 1] = key * lanes;
                if (++j == keyColumns)
                    (i, j) = (i + 1, 0);
            }

            // The values are read after the logits, and the keys of the next block after the values.
            Prefetch(values, offsets, count, headSize);
            Logits(keys, offsets, count, queries, headSize, logits, lanes);
            MarkOverflow(logits, count, lanes, total);
            if (rowBias is not null)
                AddBias(logits, count, rowBias, columnBias, row, column, keyColumns, lanes);
            if (Softmax(logits, count, lanes, maximum, total, rescale))
                Rescale(sums, headSize, rescale, lanes);
            Prefetch(keys + (count * layout.RowStride), offsets, count, headSize);
            AddValues(values, offsets, count, logits, headSize, sums, lanes);
        }

        Store(scope, tile, head, headSize, sums, total, output, outputStride);
        for (int lane = 0; frameSums != null && lane < tile.QueryCount; lane++)
            frameSums[(tile.QueryIndex(lane, scope.GridColumns) * headCount) + head] =
                new FrameSum { Maximum = maximum[lane], Total = total[lane] };
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Prefetch(float* rows, int* offsets, int count, int headSize)
    {
        const int LineFloats = 16;
        for (int key = 0; key < count; key++)
            for (int channel = 0; channel < headSize; channel += LineFloats)
                TSimd.Prefetch(rows + offsets[2 * key] + channel);
    }

    private static void Logits(float* keys, int* offsets, int count, float* queries, int headSize, float* logits,
        int lanes)
    {
        float* zeros = stackalloc float[lanes];
        new Span<float>(zeros, lanes).Clear();
        float** rows = stackalloc float*[MaxRowCount];
        int width = TileWidth(lanes);
        int tileRows = MicroKernel<TSimd, TVector>.RowCount(width);
        for (int key = 0; key < count; key += tileRows)
        {
            for (int r = 0; r < tileRows; r++)
                rows[r] = keys + offsets[2 * Math.Min(key + r, count - 1)];
            for (int lane = 0; lane < lanes; lane += width)
                MicroKernel<TSimd, TVector>.Tile(width, rows, 1, headSize, queries + lane, lanes, zeros, 0,
                    logits + (key * lanes) + lane, lanes);
        }
    }

    /// <summary>Sets the sum of weights of a query to NaN if one of its logits is not finite. Without this, an
    /// overflow to −∞ would be a weight of 0, as if the key were masked. 0 times a finite value is 0; 0 times
    /// NaN or infinity is NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MarkOverflow(float* logits, int count, int lanes, float* total)
    {
        for (int lane = 0; lane < lanes; lane += TSimd.Width)
        {
            // Four independent sums, because a single chain of multiply-adds is limited by its latency.
            TVector a = TSimd.Load(total + lane), b = TSimd.Zero, c = TSimd.Zero, d = TSimd.Zero;
            float* logit = logits + lane;
            int key = 0;
            for (; key + 4 <= count; key += 4, logit += 4 * lanes)
            {
                a = TSimd.MultiplyAdd(TSimd.Load(logit), TSimd.Zero, a);
                b = TSimd.MultiplyAdd(TSimd.Load(logit + lanes), TSimd.Zero, b);
                c = TSimd.MultiplyAdd(TSimd.Load(logit + (2 * lanes)), TSimd.Zero, c);
                d = TSimd.MultiplyAdd(TSimd.Load(logit + (3 * lanes)), TSimd.Zero, d);
            }

            for (; key < count; key++, logit += lanes)
                a = TSimd.MultiplyAdd(TSimd.Load(logit), TSimd.Zero, a);
            TSimd.Store(total + lane, TSimd.Add(TSimd.Add(a, b), TSimd.Add(c, d)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddBias(float* logits, int count, float* rowBias, float* columnBias, int row, int column,
        int keyColumns, int lanes)
    {
        for (int key = 0; key < count; key++)
        {
            for (int lane = 0; lane < lanes; lane += TSimd.Width)
            {
                TVector bias = TSimd.Add(TSimd.Load(rowBias + (row * lanes) + lane),
                    TSimd.Load(columnBias + (column * lanes) + lane));
                float* logit = logits + (key * lanes) + lane;
                TSimd.Store(logit, TSimd.Add(TSimd.Load(logit), bias));
            }

            if (++column == keyColumns)
                (row, column) = (row + 1, 0);
        }
    }

    /// <summary>Replaces the logits of a block by weights relative to the new maximum. Returns whether the
    /// earlier sums must be multiplied by <paramref name="rescale"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool Softmax(float* logits, int count, int lanes, float* maximum, float* total, float* rescale)
    {
        bool isRescaled = false;
        for (int lane = 0; lane < lanes; lane += TSimd.Width)
        {
            TVector old = TSimd.Load(maximum + lane);
            TVector best = old;
            for (int key = 0; key < count; key++)
                best = TSimd.Max(best, TSimd.Load(logits + (key * lanes) + lane));
            TVector sum = TSimd.Zero;
            for (int key = 0; key < count; key++)
            {
                float* logit = logits + (key * lanes) + lane;
                TVector weight = VectorMath<TSimd, TVector>.Exp2(TSimd.Subtract(TSimd.Load(logit), best));
                TSimd.Store(logit, weight);
                sum = TSimd.Add(sum, weight);
            }

            TVector factor = VectorMath<TSimd, TVector>.Exp2(TSimd.Subtract(old, best));
            TSimd.Store(rescale + lane, factor);
            TSimd.Store(maximum + lane, best);
            TSimd.Store(total + lane, TSimd.MultiplyAdd(TSimd.Load(total + lane), factor, sum));
            isRescaled |= !TSimd.EqualsAll(old, best);
        }

        return isRescaled;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rescale(float* sums, int headSize, float* rescale, int lanes)
    {
        for (int row = 0; row < headSize; row++)
            for (int lane = 0; lane < lanes; lane += TSimd.Width)
                TSimd.Store(sums + (row * lanes) + lane,
                    TSimd.Multiply(TSimd.Load(sums + (row * lanes) + lane), TSimd.Load(rescale + lane)));
    }

    private static void AddValues(float* values, int* offsets, int count, float* weights, int headSize, float* sums,
        int lanes)
    {
        float** rows = stackalloc float*[MaxRowCount];
        int width = TileWidth(lanes);
        int tileRows = MicroKernel<TSimd, TVector>.RowCount(width);
        for (int channel = 0; channel < headSize; channel += tileRows)
        {
            for (int r = 0; r < tileRows; r++)
                rows[r] = values + Math.Min(channel + r, headSize - 1);
            for (int lane = 0; lane < lanes; lane += width)
            {
                float* target = sums + (channel * lanes) + lane;
                MicroKernel<TSimd, TVector>.Gather(width, rows, weights + lane, offsets, count, target, lanes, target,
                    lanes);
            }
        }
    }

    /// <summary>The width of the register tiles for a tile of queries. Plans that are the same on every instruction set
    /// have tiles of queries that are wider than a register tile.</summary>
    private static int TileWidth(int lanes) => Math.Min(lanes, MicroKernel<TSimd, TVector>.PanelWidth);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Store(TiledScope scope, QueryTile tile, int head, int headSize, float* sums, float* total,
        float* output, nint outputStride)
    {
        int lanes = tile.LaneCount;
        for (int lane = 0; lane < tile.QueryCount; lane++)
        {
            float* target = output + (tile.QueryIndex(lane, scope.GridColumns) * outputStride) + (head * headSize);
            float scale = 1 / total[lane];
            for (int channel = 0; channel < headSize; channel++)
                target[channel] = sums[(channel * lanes) + lane] * scale;
        }
    }
}
