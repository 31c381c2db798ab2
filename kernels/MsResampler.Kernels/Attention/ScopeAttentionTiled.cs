using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Attention;

/// <summary>Attention of all images, scopes and heads of a ragged batch in float32: per block 16 queries against the
/// rectangle of patches that holds their windows, online softmax in base 2.</summary>
/// <remarks>
/// <para>The block's warps take turns at tiles of 32 keys, each with a softmax and a weighted sum of its own (Milakov
/// and Gimelshein, Online normalizer calculation for softmax, 2018), which are merged at the end in the order of the
/// warps. Within a warp no block-wide barrier is needed.</para>
/// <para>Lane l = 8·g + c. It has the logits of queries g, g+4, g+8, g+12 and keys c, c+8, c+16, c+24, and of the
/// weighted sum the same queries and the groups of four channels c, c+8, ... Keys are stored a group of four channels
/// at a time, [channels/4, patches], so that eight lanes read 128 bytes side by side; values are stored by patch, where
/// eight lanes read 128 bytes of one row. Both come straight
/// from the cache, and a warp reads nothing twice: the lane groups read the same bytes in one instruction.</para>
/// <para>Weights pass between the lanes through shared memory, with 40 floats to a row: four rows and eight keys then
/// lie in 32 different banks.</para>
/// <para>Grid: x = blocks of the schedule, y = heads × slices of a head. Shared memory at 128 channels: 8.3 KiB of
/// queries, 32 KiB of weights and afterwards partial sums.</para>
/// </remarks>
/// <typeparam name="THead">How much of a head one block holds.</typeparam>
internal static class ScopeAttentionTiled<THead>
    where THead : struct, IHeadTile
{
    /// <summary>Queries of a tile.</summary>
    public const int TileQueries = 16;

    private const int LaneQueries = 4;
    private const int LaneKeys = 4;
    private const int TileKeys = 32;
    private const int WeightStride = 40;

    /// <summary>Threads of a block.</summary>
    public static int GroupSize => 32 * THead.WarpCount;

    /// <summary>Groups of four channels of a slice.</summary>
    public static int SliceVectors => 8 * THead.LaneVectors;

    // An odd number of 16-byte groups, so that rows next to each other begin in different banks.
    private static int QueryStride => SliceVectors + 1;

    /// <summary>Groups of four floats of one warp: weights while it sums, then its partial sums.</summary>
    private static int WarpVectors
        => TileQueries * (WeightStride / 4 > SliceVectors ? WeightStride / 4 : SliceVectors);

    /// <param name="blocks">The schedule.</param>
    /// <param name="queries">Projected queries, scaled by log₂e/√d: [scopes][queries, heads, d/4].</param>
    /// <param name="keys">Projected keys, [scopes, heads, d/4][patches].</param>
    /// <param name="values">Projected values, [patches, scopes, heads, d/4].</param>
    /// <param name="bias">Bias tables in base 2.</param>
    /// <param name="output">Receives the weighted sums, [tokens, scopes, heads, d/4].</param>
    /// <param name="scopeCount">Scopes.</param>
    /// <param name="keyScopeCount">Scopes with keys and values of their own.</param>
    /// <param name="headCount">Heads.</param>
    /// <param name="headVectors">d/4, where d is rounded up to a multiple of 4 with zeros.</param>
    /// <param name="patchCount">Patches of all images.</param>
    /// <param name="queryColumns">Columns of the query grid.</param>
    public static void Run(ArrayView<TiledBlock> blocks, ArrayView<Float4> queries, ArrayView<Float4> keys,
        ArrayView<Float4> values, ArrayView<float> bias, ArrayView<Float4> output, int scopeCount, int keyScopeCount,
        int headCount, int headVectors, int patchCount, int queryColumns)
    {
        var sharedQueries = SharedMemory.Allocate<Float4>(TileQueries * QueryStride);
        var sharedSums = SharedMemory.Allocate<Float4>(THead.WarpCount * WarpVectors);
        var sharedStates = SharedMemory.Allocate<OnlineSoftmax>(THead.WarpCount * TileQueries);
        var sharedWeights = sharedSums.Cast<float>();

        TiledBlock block = blocks[Grid.IdxX];
        int head = Grid.IdxY % headCount;
        int slice = Grid.IdxY / headCount;
        int sliceCount = (headVectors + SliceVectors - 1) / SliceVectors;
        int lane = Group.IdxX % 32;
        int warp = Group.IdxX / 32;
        int laneGroup = lane / 8;
        int laneColumn = lane % 8;

        // Queries that the tile lacks repeat its last one and are not stored.
        var queryRowBias = new int[LaneQueries];
        var queryColumnBias = new int[LaneQueries];
        for (int i = 0; i < LaneQueries; i++)
        {
            int query = IntrinsicMath.Min(laneGroup + (4 * i), block.QueryCount - 1);
            queryRowBias[i] = block.RowBias + (head * block.BiasHeadStride)
                + ((block.QueryRow + (query / block.TileColumns)) * block.GridRows);
            queryColumnBias[i] = block.ColumnBias + (head * block.BiasHeadStride)
                + ((block.QueryColumn + (query % block.TileColumns)) * block.GridColumns);
        }

        var states = new OnlineSoftmax[LaneQueries];
        var sums = new Float4[LaneQueries * THead.LaneVectors];
        for (int i = 0; i < LaneQueries; i++)
            states[i] = OnlineSoftmax.Empty;
        for (int i = 0; i < LaneQueries * THead.LaneVectors; i++)
            sums[i] = default;

        int keyHead = ((block.KeyScope * headCount) + head) * headVectors;
        int valueStride = keyScopeCount * headCount * headVectors;
        int weightStart = 4 * warp * WarpVectors;
        int stepCount = (block.KeyCount + (THead.WarpCount * TileKeys) - 1) / (THead.WarpCount * TileKeys);
        for (int step = 0; step < stepCount; step++)
        {
            int firstKey = ((step * THead.WarpCount) + warp) * TileKeys;

            // Each lane finds the place of one key; keys past the end repeat the last one with weight 0.
            int laneKey = IntrinsicMath.Min(firstKey + lane, block.KeyCount - 1);
            int laneRow = laneKey / block.KeyColumns;
            int lanePlace = laneKey % block.KeyColumns;
            int lanePatch = block.FirstKey + (laneRow * block.GridColumns) + lanePlace;

            var patches = new int[LaneKeys];
            for (int j = 0; j < LaneKeys; j++)
                patches[j] = Warp.Shuffle(lanePatch, laneColumn + (8 * j));

            var logits = new float[LaneQueries * LaneKeys];
            for (int index = 0; index < LaneQueries * LaneKeys; index++)
                logits[index] = 0;
            for (int part = 0; part < sliceCount; part++)
            {
                int partVectors = IntrinsicMath.Min(SliceVectors, headVectors - (part * SliceVectors));
                if (step == 0 || sliceCount > 1)
                {
                    Group.Barrier();
                    LoadQueries(sharedQueries, queries, block, head, headCount, headVectors, part * SliceVectors,
                        partVectors, queryColumns);
                    Group.Barrier();
                }

                // A warp without keys only waits for the others.
                int loopVectors = firstKey < block.KeyCount ? partVectors : 0;
                for (int vector = 0; vector < loopVectors; vector++)
                {
                    int keyStart = (keyHead + (part * SliceVectors) + vector) * patchCount;
                    var tileKeys = new Float4[LaneKeys];
                    for (int j = 0; j < LaneKeys; j++)
                        tileKeys[j] = keys[keyStart + patches[j]];
                    for (int i = 0; i < LaneQueries; i++)
                    {
                        Float4 query = sharedQueries[((laneGroup + (4 * i)) * QueryStride) + vector];
                        for (int j = 0; j < LaneKeys; j++)
                        {
                            logits[(i * LaneKeys) + j] = VectorOperations.Dot(query, tileKeys[j],
                                logits[(i * LaneKeys) + j]);
                        }
                    }
                }
            }

            if (block.RowBias >= 0)
            {
                for (int j = 0; j < LaneKeys; j++)
                {
                    int row = Warp.Shuffle(laneRow, laneColumn + (8 * j));
                    int place = Warp.Shuffle(lanePlace, laneColumn + (8 * j));
                    for (int i = 0; i < LaneQueries; i++)
                        logits[(i * LaneKeys) + j] += bias[queryRowBias[i] + row] + bias[queryColumnBias[i] + place];
                }
            }

            for (int j = 0; j < LaneKeys; j++)
            {
                bool isPastEnd = firstKey + laneColumn + (8 * j) >= block.KeyCount;
                for (int i = 0; i < LaneQueries; i++)
                    logits[(i * LaneKeys) + j] = isPastEnd ? float.NegativeInfinity : logits[(i * LaneKeys) + j];
            }

            for (int i = 0; i < LaneQueries; i++)
            {
                float max = IntrinsicMath.Max(
                    IntrinsicMath.Max(logits[i * LaneKeys], logits[(i * LaneKeys) + 1]),
                    IntrinsicMath.Max(logits[(i * LaneKeys) + 2], logits[(i * LaneKeys) + 3]));
                max = IntrinsicMath.Max(states[i].Max, LaneReduction.MaxOf8(max));
                float scale = states[i].ScaleTo(max);
                states[i] = states[i].Rescaled(max, scale);
                for (int v = 0; v < THead.LaneVectors; v++)
                    sums[(i * THead.LaneVectors) + v] = sums[(i * THead.LaneVectors) + v].Times(scale);
                for (int j = 0; j < LaneKeys; j++)
                {
                    float weight = states[i].Weight(logits[(i * LaneKeys) + j]);
                    states[i] = states[i].Plus(weight);
                    sharedWeights[weightStart + ((laneGroup + (4 * i)) * WeightStride) + laneColumn + (8 * j)] = weight;
                }
            }

            Warp.Barrier();
            int keyGroupCount = (IntrinsicMath.Min(TileKeys, block.KeyCount - firstKey) + 3) / 4;
            for (int keyGroup = 0; keyGroup < keyGroupCount; keyGroup++)
            {
                var tileValues = new Float4[4 * THead.LaneVectors];
                for (int k = 0; k < 4; k++)
                {
                    int valueStart = (Warp.Shuffle(lanePatch, (4 * keyGroup) + k) * valueStride) + keyHead
                        + (slice * SliceVectors);
                    for (int v = 0; v < THead.LaneVectors; v++)
                    {
                        int channel = laneColumn + (8 * v);
                        tileValues[(k * THead.LaneVectors) + v] = default;
                        if ((slice * SliceVectors) + channel < headVectors)
                            tileValues[(k * THead.LaneVectors) + v] = values[valueStart + channel];
                    }
                }

                for (int i = 0; i < LaneQueries; i++)
                {
                    Float4 weights = sharedSums[(warp * WarpVectors) + ((laneGroup + (4 * i)) * WeightStride / 4)
                        + keyGroup];
                    for (int v = 0; v < THead.LaneVectors; v++)
                    {
                        int sum = (i * THead.LaneVectors) + v;
                        sums[sum] = sums[sum].PlusProduct(weights.X, tileValues[v]);
                        sums[sum] = sums[sum].PlusProduct(weights.Y, tileValues[THead.LaneVectors + v]);
                        sums[sum] = sums[sum].PlusProduct(weights.Z, tileValues[(2 * THead.LaneVectors) + v]);
                        sums[sum] = sums[sum].PlusProduct(weights.W, tileValues[(3 * THead.LaneVectors) + v]);
                    }
                }
            }

            Warp.Barrier();
        }

        Merge(sharedSums, sharedStates, states, sums, laneGroup, laneColumn, warp);

        int outputStart = (((block.Scope * headCount) + head) * headVectors) + (slice * SliceVectors);
        int storedVectors = IntrinsicMath.Min(SliceVectors, headVectors - (slice * SliceVectors));
        for (int index = Group.IdxX; index < block.QueryCount * storedVectors; index += GroupSize)
        {
            int query = index / storedVectors;
            int channel = index % storedVectors;
            Float4 sum = sharedSums[(query * SliceVectors) + channel];
            for (int other = 1; other < THead.WarpCount; other++)
                sum = sum.Plus(sharedSums[(other * WarpVectors) + (query * SliceVectors) + channel]);
            int token = block.FirstToken + ((block.QueryRow + (query / block.TileColumns)) * queryColumns)
                + block.QueryColumn + (query % block.TileColumns);
            output[(token * scopeCount * headCount * headVectors) + outputStart + channel] = sum;
        }
    }

    /// <summary>Copies a slice of the tile's queries to shared memory.</summary>
    private static void LoadQueries(ArrayView<Float4> sharedQueries, ArrayView<Float4> queries, TiledBlock block,
        int head, int headCount, int headVectors, int firstVector, int vectorCount, int queryColumns)
    {
        for (int index = Group.IdxX; index < TileQueries * vectorCount; index += GroupSize)
        {
            int query = IntrinsicMath.Min(index / vectorCount, block.QueryCount - 1);
            int vector = index % vectorCount;
            int row = ((block.QueryRow + (query / block.TileColumns)) * queryColumns) + block.QueryColumn
                + (query % block.TileColumns);
            sharedQueries[(index / vectorCount * QueryStride) + vector] = queries[block.QueryStart
                + (((row * headCount) + head) * headVectors) + firstVector + vector];
        }
    }

    /// <summary>Scales every warp's sums to its share of the normalised sum and leaves them in shared memory, where
    /// adding them up gives the result.</summary>
    private static void Merge(ArrayView<Float4> sharedSums, ArrayView<OnlineSoftmax> sharedStates,
        OnlineSoftmax[] states, Float4[] sums, int laneGroup, int laneColumn, int warp)
    {
        for (int i = 0; i < LaneQueries; i++)
        {
            float total = LaneReduction.SumOf8(states[i].Total);
            if (laneColumn == 0)
                sharedStates[(warp * TileQueries) + laneGroup + (4 * i)] = states[i] with { Total = total };
        }

        Group.Barrier();
        for (int i = 0; i < LaneQueries; i++)
        {
            int query = laneGroup + (4 * i);
            var parts = new OnlineSoftmax[THead.WarpCount];
            for (int part = 0; part < THead.WarpCount; part++)
                parts[part] = sharedStates[(part * TileQueries) + query];
            float share = OnlineSoftmax.Merge(parts, THead.WarpCount).ShareOf(states[i]);
            for (int v = 0; v < THead.LaneVectors; v++)
            {
                sharedSums[(warp * WarpVectors) + (query * SliceVectors) + laneColumn + (8 * v)]
                    = sums[(i * THead.LaneVectors) + v].Times(share);
            }
        }

        Group.Barrier();
    }
}
