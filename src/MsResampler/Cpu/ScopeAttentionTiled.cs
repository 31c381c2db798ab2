using MsResampler.Cpu.Simd;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>Attention of one tile of queries and one head over the tile's rectangle of patches, with an online softmax
/// (Milakov and Gimelshein, arXiv 1805.02867; blocked as in FlashAttention, arXiv 2205.14135).</summary>
/// <remarks>Queries lie along the vector lanes, so a logit tile is [keys, lanes], the softmax needs no sums across lanes,
/// and both products are the same register tile: keys times queries, and values (transposed by their pointers) times
/// weights. Only the tile's rectangle is visited, a block of keys at a time; no N×M array exists.</remarks>
internal static unsafe class ScopeAttentionTiled<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Keys of a block: with 64 lanes its logits take 24 KiB, which leaves room for values in a first-level
    /// cache of 48 KiB.</summary>
    private const int KeyBlock = 96;

    private const int RowCount = MicroKernel<TSimd, TVector>.RowCount;

    /// <summary>Stands for the maximum of no logits: finite, so that a block whose keys are all masked for a query gives
    /// weights of 0 instead of NaN.</summary>
    private const float Lowest = -1e30f;

    /// <summary>Floats of scratch that a tile needs.</summary>
    public static int ScratchCount(int laneCount, int headSize)
        => (KeyBlock + RowCount + headSize + RowCount + 3) * laneCount;

    /// <param name="scope">The scope's operands.</param>
    /// <param name="tileIndex">The tile.</param>
    /// <param name="head">The head.</param>
    /// <param name="headSize">d.</param>
    /// <param name="gridColumns">W.</param>
    /// <param name="keys">The image's projected keys, [N, <paramref name="stride"/>].</param>
    /// <param name="values">The image's projected values, [N, <paramref name="stride"/>].</param>
    /// <param name="stride">Floats between rows of keys and values.</param>
    /// <param name="output">The image's attention outputs at this scope's channel 0, [M, …].</param>
    /// <param name="outputStride">Floats between its rows.</param>
    /// <param name="scratch"><see cref="ScratchCount"/> floats.</param>
    public static void Run(TiledScope scope, int tileIndex, int head, int headSize, int gridColumns, float* keys,
        float* values, nint stride, float* output, nint outputStride, float* scratch)
    {
        QueryTile tile = scope.Tiles[tileIndex];
        int lanes = tile.LaneCount;
        float* logits = scratch;
        float* sums = logits + ((KeyBlock + RowCount) * lanes);
        float* maximum = sums + ((headSize + RowCount) * lanes);
        float* total = maximum + lanes;
        float* rescale = total + lanes;
        new Span<float>(sums, (headSize + RowCount) * lanes).Clear();
        new Span<float>(maximum, lanes).Fill(Lowest);
        new Span<float>(total, lanes).Clear();
        float* queries = scope.Queries(tileIndex, head);
        float* rowBias = scope.Bias(tileIndex, head);
        float* columnBias = rowBias + (tile.KeyRows.Count * lanes);

        // A rectangle as wide as the grid is one run of keys, unless each key needs its own bias.
        bool isRun = rowBias is null && tile.KeyColumns.Count == gridColumns;
        int runCount = isRun ? 1 : tile.KeyRows.Count;
        int runLength = isRun ? tile.KeyCount : tile.KeyColumns.Count;
        keys += (head * headSize) + ((((nint)tile.KeyRows.Start * gridColumns) + tile.KeyColumns.Start) * stride);
        values += (head * headSize) + ((((nint)tile.KeyRows.Start * gridColumns) + tile.KeyColumns.Start) * stride);
        nint runStride = gridColumns * stride;
        int runsPerBlock = Math.Max(1, KeyBlock / runLength);
        for (int run = 0; run < runCount; run += runsPerBlock)
        {
            int runs = Math.Min(runsPerBlock, runCount - run);
            for (int first = 0; first < runLength; first += KeyBlock)
            {
                int length = Math.Min(KeyBlock, runLength - first);
                for (int r = 0; r < runs; r++)
                    Logits(keys + ((run + r) * runStride) + (first * stride), stride, length, queries, headSize,
                        logits + (r * length * lanes), lanes);
                if (rowBias is not null)
                    for (int r = 0; r < runs; r++)
                        AddBias(logits + (r * length * lanes), length, rowBias + ((run + r) * lanes),
                            columnBias + (first * lanes), lanes);
                if (Softmax(logits, runs * length, lanes, maximum, total, rescale))
                    Rescale(sums, headSize, rescale, lanes);
                for (int r = 0; r < runs; r++)
                    AddValues(values + ((run + r) * runStride) + (first * stride), stride, length,
                        logits + (r * length * lanes), headSize, sums, lanes);
            }
        }

        Store(scope, tile, head, headSize, sums, total, output, outputStride);
    }

    private static void Logits(float* keys, nint stride, int count, float* queries, int headSize, float* logits, int lanes)
    {
        float* zeros = stackalloc float[lanes];
        new Span<float>(zeros, lanes).Clear();
        float** rows = stackalloc float*[RowCount];
        for (int key = 0; key < count; key += RowCount)
        {
            for (int r = 0; r < RowCount; r++)
                rows[r] = keys + (Math.Min(key + r, count - 1) * stride);
            MicroKernel<TSimd, TVector>.Tile(lanes, rows, 1, headSize, queries, lanes, zeros, 0, logits + (key * lanes),
                lanes);
        }
    }

    private static void AddBias(float* logits, int count, float* rowBias, float* columnBias, int lanes)
    {
        for (int lane = 0; lane < lanes; lane += TSimd.Width)
        {
            TVector row = TSimd.Load(rowBias + lane);
            for (int key = 0; key < count; key++)
            {
                float* logit = logits + (key * lanes) + lane;
                TVector bias = TSimd.Add(row, TSimd.Load(columnBias + (key * lanes) + lane));
                TSimd.Store(logit, TSimd.Add(TSimd.Load(logit), bias));
            }
        }
    }

    /// <summary>Turns a block's logits into weights relative to the new maximum. True when what was summed before must
    /// be multiplied by <paramref name="rescale"/>.</summary>
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

    private static void Rescale(float* sums, int headSize, float* rescale, int lanes)
    {
        for (int row = 0; row < headSize; row++)
            for (int lane = 0; lane < lanes; lane += TSimd.Width)
                TSimd.Store(sums + (row * lanes) + lane,
                    TSimd.Multiply(TSimd.Load(sums + (row * lanes) + lane), TSimd.Load(rescale + lane)));
    }

    private static void AddValues(float* values, nint stride, int count, float* weights, int headSize, float* sums,
        int lanes)
    {
        float** rows = stackalloc float*[RowCount];
        for (int channel = 0; channel < headSize; channel += RowCount)
        {
            for (int r = 0; r < RowCount; r++)
                rows[r] = values + Math.Min(channel + r, headSize - 1);
            float* target = sums + (channel * lanes);
            MicroKernel<TSimd, TVector>.Tile(lanes, rows, stride, count, weights, lanes, target, lanes, target, lanes);
        }
    }

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
