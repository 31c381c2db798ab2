using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Attention;

/// <summary>Attention of all images, scopes and heads of a ragged batch in float32. A block computes 16 queries
/// against the rectangle of patches that contains their windows, with an online softmax in base 2.</summary>
/// <remarks>
/// <para>The warps of a block take turns at tiles of 32 keys. Each has its own <see cref="OnlineSoftmax"/> and
/// weighted sum; these are merged at the end in the order of the warps. Within a warp no barrier of the block is
/// needed.</para>
/// <para>Lane l = 8·r + c, with row r and column c, has the logits of queries r, r+4, r+8 and r+12 and keys c, c+8,
/// c+16 and c+24. Of the weighted sum it has the same queries and the vectors of four channels c, c+8, ... Keys are
/// stored by vectors of channels, [channels/4, patches], so that eight lanes read 128 neighbouring bytes; values are
/// stored by patches, so that eight lanes read 128 bytes of one row. Both are read directly from the cache. A warp
/// reads nothing twice: the four lanes of a column read the same bytes in one instruction.</para>
/// <para>Weights are exchanged between lanes through shared memory, in rows of 40 floats: four rows and eight keys
/// are then in 32 different banks.</para>
/// <para>Grid: x = blocks of the schedule, y = heads × slices of a head. Block: <see cref="BlockSize"/> threads.
/// Shared memory at 128 channels: 8.3 KiB of queries and 32 KiB of weights, later of partial sums.</para>
/// </remarks>
/// <typeparam name="THead">The part of a head that a block computes.</typeparam>
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
    public static int BlockSize => 32 * THead.WarpCount;

    /// <summary>Vectors of four channels in a slice.</summary>
    public static int SliceVectors => 8 * THead.LaneVectors;

    // An odd number of vectors, so that neighbouring rows begin in different banks.
    private static int QueryStride => SliceVectors + 1;

    /// <summary>Vectors of one warp in shared memory: its weights, later its partial sums.</summary>
    private static int WarpVectors
        => TileQueries * (WeightStride / 4 > SliceVectors ? WeightStride / 4 : SliceVectors);

    /// <summary>Computes the attention of a schedule. In the shapes, d is the head size in vectors of four
    /// floats.</summary>
    /// <param name="blocks">The schedule.</param>
    /// <param name="queries">Projected queries, scaled by log₂e/√(head size): [scopes][queries, heads, d].</param>
    /// <param name="keys">Projected keys, [key scopes, heads, d][patches].</param>
    /// <param name="values">Projected values, [patches, key scopes, heads, d].</param>
    /// <param name="bias">The bias tables, in base 2.</param>
    /// <param name="output">Receives the weighted sums, [rows, scopes, heads, d].</param>
    /// <param name="logSums">Receives log₂ Σ 2^logit, [rows, scopes, heads].</param>
    /// <param name="shape">The extents.</param>
    /// <param name="patchCount">Patches of all images.</param>
    /// <param name="storesLogSums">Whether <paramref name="logSums"/> is written; not 0 if it is.</param>
    public static void Run(ArrayView<TiledBlock> blocks, ArrayView<Float4> queries, ArrayView<Float4> keys,
        ArrayView<Float4> values, ArrayView<float> bias, ArrayView<Float4> output, ArrayView<float> logSums,
        AttentionShape shape, int patchCount, int storesLogSums)
    {
        var sharedQueries = SharedMemory.Allocate<Float4>(TileQueries * QueryStride);
        var sharedSums = SharedMemory.Allocate<Float4>(THead.WarpCount * WarpVectors);
        var sharedStates = SharedMemory.Allocate<OnlineSoftmax>(THead.WarpCount * TileQueries);
        var sharedWeights = sharedSums.Cast<float>();

        TiledBlock block = blocks[Grid.IdxX];
        int head = Grid.IdxY % shape.HeadCount;
        int slice = Grid.IdxY / shape.HeadCount;
        int sliceCount = (shape.HeadVectors + SliceVectors - 1) / SliceVectors;
        int lane = Group.IdxX % 32;
        int warp = Group.IdxX / 32;
        int laneRow = lane / 8;
        int laneColumn = lane % 8;

        // Queries that the tile lacks repeat its last one and are not stored.
        var queryRowBias = new int[LaneQueries];
        var queryColumnBias = new int[LaneQueries];
        for (int i = 0; i < LaneQueries; i++)
        {
            int query = IntrinsicMath.Min(laneRow + (4 * i), block.QueryCount - 1);
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

        int keyHead = ((block.KeyScope * shape.HeadCount) + head) * shape.HeadVectors;
        int valueStride = shape.KeyScopeCount * shape.HeadCount * shape.HeadVectors;
        int weightStart = 4 * warp * WarpVectors;
        int stepCount = (block.KeyCount + (THead.WarpCount * TileKeys) - 1) / (THead.WarpCount * TileKeys);
        for (int step = 0; step < stepCount; step++)
        {
            int firstKey = ((step * THead.WarpCount) + warp) * TileKeys;

            // Each lane locates one key. Keys beyond the end repeat the last one with weight 0.
            int key = IntrinsicMath.Min(firstKey + lane, block.KeyCount - 1);
            int keyRow = key / block.KeyColumns;
            int keyColumn = key % block.KeyColumns;
            int keyPatch = block.FirstKey + (keyRow * block.GridColumns) + keyColumn;

            var patches = new int[LaneKeys];
            for (int j = 0; j < LaneKeys; j++)
                patches[j] = Warp.Shuffle(keyPatch, laneColumn + (8 * j));

            var logits = new float[LaneQueries * LaneKeys];
            for (int index = 0; index < LaneQueries * LaneKeys; index++)
                logits[index] = 0;
            for (int part = 0; part < sliceCount; part++)
            {
                int partVectors = IntrinsicMath.Min(SliceVectors, shape.HeadVectors - (part * SliceVectors));
                if (step == 0 || sliceCount > 1)
                {
                    Group.Barrier();
                    LoadQueries(sharedQueries, queries, block, head, shape, part * SliceVectors, partVectors);
                    Group.Barrier();
                }

                // A warp without keys only takes part in the barriers.
                int loopVectors = firstKey < block.KeyCount ? partVectors : 0;
                Multiply(logits, sharedQueries, keys, keyHead + (part * SliceVectors), loopVectors, patches, patchCount,
                    laneRow);
            }

            if (block.RowBias >= 0)
                AddBias(logits, bias, queryRowBias, queryColumnBias, keyRow, keyColumn, laneColumn);
            MaskPastEnd(logits, block.KeyCount - firstKey - laneColumn);
            Weigh(logits, states, sums, sharedWeights, weightStart + (laneRow * WeightStride) + laneColumn);
            // The weights of the other lanes are complete.
            Warp.Barrier();
            int keyQuadCount = (IntrinsicMath.Min(TileKeys, block.KeyCount - firstKey) + 3) / 4;
            for (int keyQuad = 0; keyQuad < keyQuadCount; keyQuad++)
            {
                var tileValues = new Float4[4 * THead.LaneVectors];
                for (int k = 0; k < 4; k++)
                {
                    int valueStart = (Warp.Shuffle(keyPatch, (4 * keyQuad) + k) * valueStride) + keyHead
                        + (slice * SliceVectors);
                    for (int v = 0; v < THead.LaneVectors; v++)
                    {
                        int channel = laneColumn + (8 * v);
                        tileValues[(k * THead.LaneVectors) + v] = default;
                        if ((slice * SliceVectors) + channel < shape.HeadVectors)
                            tileValues[(k * THead.LaneVectors) + v] = values[valueStart + channel];
                    }
                }

                AddValues(sums, tileValues, sharedSums,
                    (warp * WarpVectors) + (laneRow * WeightStride / 4) + keyQuad);
            }

            // The weights are no longer read.
            Warp.Barrier();
        }

        Merge(sharedSums, sharedStates, states, sums, laneRow, laneColumn, warp);

        int outputStart = (((block.Scope * shape.HeadCount) + head) * shape.HeadVectors) + (slice * SliceVectors);
        int storedVectors = IntrinsicMath.Min(SliceVectors, shape.HeadVectors - (slice * SliceVectors));
        for (int index = Group.IdxX; index < block.QueryCount * storedVectors; index += BlockSize)
        {
            int query = index / storedVectors;
            int channel = index % storedVectors;
            Float4 sum = sharedSums[(query * SliceVectors) + channel];
            for (int other = 1; other < THead.WarpCount; other++)
                sum = sum.Plus(sharedSums[(other * WarpVectors) + (query * SliceVectors) + channel]);
            int row = RowOf(block, query, shape);
            output[(row * shape.ScopeCount * shape.HeadCount * shape.HeadVectors) + outputStart + channel] = sum;
        }

        if (storesLogSums != 0 & slice == 0 & Group.IdxX < block.QueryCount)
        {
            var parts = new OnlineSoftmax[THead.WarpCount];
            for (int part = 0; part < THead.WarpCount; part++)
                parts[part] = sharedStates[(part * TileQueries) + Group.IdxX];
            logSums[(((RowOf(block, Group.IdxX, shape) * shape.ScopeCount) + block.Scope) * shape.HeadCount) + head]
                = OnlineSoftmax.Merge(parts, THead.WarpCount).LogSum;
        }
    }

    /// <summary>The output row of a query of a tile.</summary>
    private static int RowOf(TiledBlock block, int query, AttentionShape shape)
        => block.FirstToken + ((block.QueryRow + (query / block.TileColumns)) * shape.QueryColumns)
            + block.QueryColumn + (query % block.TileColumns);

    /// <summary>Copies a slice of the queries of the tile to shared memory.</summary>
    private static void LoadQueries(ArrayView<Float4> sharedQueries, ArrayView<Float4> queries, TiledBlock block,
        int head, AttentionShape shape, int firstVector, int vectorCount)
    {
        for (int index = Group.IdxX; index < TileQueries * vectorCount; index += BlockSize)
        {
            int query = IntrinsicMath.Min(index / vectorCount, block.QueryCount - 1);
            int vector = index % vectorCount;
            int row = ((block.QueryRow + (query / block.TileColumns)) * shape.QueryColumns) + block.QueryColumn
                + (query % block.TileColumns);
            sharedQueries[(index / vectorCount * QueryStride) + vector] = queries[block.QueryStart
                + (((row * shape.HeadCount) + head) * shape.HeadVectors) + firstVector + vector];
        }
    }

    /// <summary>Adds the products of some vectors of queries and keys to the logits.</summary>
    private static void Multiply(float[] logits, ArrayView<Float4> sharedQueries, ArrayView<Float4> keys,
        int firstVector, int vectorCount, int[] patches, int patchCount, int laneRow)
    {
        for (int vector = 0; vector < vectorCount; vector++)
        {
            int keyStart = (firstVector + vector) * patchCount;
            var tileKeys = new Float4[LaneKeys];
            for (int j = 0; j < LaneKeys; j++)
                tileKeys[j] = keys[keyStart + patches[j]];
            for (int i = 0; i < LaneQueries; i++)
            {
                Float4 query = sharedQueries[((laneRow + (4 * i)) * QueryStride) + vector];
                for (int j = 0; j < LaneKeys; j++)
                {
                    logits[(i * LaneKeys) + j] = VectorOperations.Dot(query, tileKeys[j],
                        logits[(i * LaneKeys) + j]);
                }
            }
        }
    }

    /// <summary>Adds the biases of the lane's keys; each lane has the row and column of one key.</summary>
    private static void AddBias(float[] logits, ArrayView<float> bias, int[] queryRowBias, int[] queryColumnBias,
        int keyRow, int keyColumn, int laneColumn)
    {
        for (int j = 0; j < LaneKeys; j++)
        {
            int row = Warp.Shuffle(keyRow, laneColumn + (8 * j));
            int column = Warp.Shuffle(keyColumn, laneColumn + (8 * j));
            for (int i = 0; i < LaneQueries; i++)
                logits[(i * LaneKeys) + j] += bias[queryRowBias[i] + row] + bias[queryColumnBias[i] + column];
        }
    }

    /// <summary>Masks the lane's keys beyond the last one.</summary>
    /// <param name="logits">The logits.</param>
    /// <param name="remaining">Keys from the lane's first one to the end of the rectangle.</param>
    private static void MaskPastEnd(float[] logits, int remaining)
    {
        for (int j = 0; j < LaneKeys; j++)
        {
            bool isPastEnd = 8 * j >= remaining;
            for (int i = 0; i < LaneQueries; i++)
                logits[(i * LaneKeys) + j] = isPastEnd ? float.NegativeInfinity : logits[(i * LaneKeys) + j];
        }
    }

    /// <summary>Adds the lane's logits to its states, makes the weighted sums relative to the new maxima, and stores
    /// the weights in shared memory.</summary>
    private static void Weigh(float[] logits, OnlineSoftmax[] states, Float4[] sums, ArrayView<float> sharedWeights,
        int firstWeight)
    {
        for (int i = 0; i < LaneQueries; i++)
        {
            float max = IntrinsicMath.Max(
                IntrinsicMath.Max(logits[i * LaneKeys], logits[(i * LaneKeys) + 1]),
                IntrinsicMath.Max(logits[(i * LaneKeys) + 2], logits[(i * LaneKeys) + 3]));
            max = IntrinsicMath.Max(states[i].Max, LaneReduction.MaxOf8(max));
            float scale = states[i].ScaleTo(max);
            for (int v = 0; v < THead.LaneVectors; v++)
                sums[(i * THead.LaneVectors) + v] = sums[(i * THead.LaneVectors) + v].Times(scale);
            for (int j = 0; j < LaneKeys; j++)
            {
                float weight = OnlineSoftmax.WeightOf(logits[(i * LaneKeys) + j], max);
                states[i] = j == 0 ? states[i].Rescaled(max, scale, weight) : states[i].Plus(weight);
                sharedWeights[firstWeight + (4 * i * WeightStride) + (8 * j)] = weight;
            }
        }
    }

    /// <summary>Adds the weighted values of four keys.</summary>
    private static void AddValues(Float4[] sums, Float4[] tileValues, ArrayView<Float4> sharedWeights,
        int firstWeights)
    {
        for (int i = 0; i < LaneQueries; i++)
        {
            Float4 weights = sharedWeights[firstWeights + (i * WeightStride)];
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

    /// <summary>Scales every warp's sums to its share of the normalised sum and leaves them in shared memory, where
    /// adding them up gives the result.</summary>
    private static void Merge(ArrayView<Float4> sharedSums, ArrayView<OnlineSoftmax> sharedStates,
        OnlineSoftmax[] states, Float4[] sums, int laneRow, int laneColumn, int warp)
    {
        for (int i = 0; i < LaneQueries; i++)
        {
            float total = LaneReduction.SumOf8(states[i].Total);
            if (laneColumn == 0)
                sharedStates[(warp * TileQueries) + laneRow + (4 * i)] = states[i] with { Total = total };
        }

        Group.Barrier();
        for (int i = 0; i < LaneQueries; i++)
        {
            int query = laneRow + (4 * i);
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
