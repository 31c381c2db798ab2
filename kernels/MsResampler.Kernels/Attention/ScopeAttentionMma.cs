using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;
using Utilities = ILGPU.Util.Utilities;

namespace MsResampler.Kernels.Attention;

/// <summary>Attention of all images, scopes and heads of a ragged batch on tensor cores: per block a tile of queries
/// against the list of the patches that any of them sees. 16-bit elements, logits and sums in float32; from sm_80
/// on.</summary>
/// <remarks>
/// <para>A block of more than 16 queries has a warp for each 16 (Dao, FlashAttention-2, 2023). Keys come in tiles of
/// 64, gathered from the image by the block's list: all warps read the same keys K and values V in shared memory, V is
/// copied while logits are computed and the next K while values are summed, two barriers a tile. What is left of the
/// list after whole tiles goes in units of 16. A block of up to 16 queries computes four heads, one in each warp: a
/// warp takes 16 keys at a time, which it copies itself, so that it waits for no other. So nothing smaller than 16 ×
/// 16 is multiplied for nothing.</para>
/// <para>The list begins with the keys that every query sees: those tiles need no mask. The others compare the patch's
/// row and column with the query's windows, in integers, or read what both add to the logit from tables (see
/// <see cref="ScopeSchedule.Bias"/>).</para>
/// <para>Weights are rounded to the element's type for the product with the values, but their sum is taken of them
/// unrounded: rounding to nearest has no bias, adding the rounded ones would cost an instruction for each, and the
/// log-sum-exp keeps the precision of float32.</para>
/// <para>An element of the output depends on its image's plan alone: the same bits in any batch.</para>
/// <para>Grid: x = blocks of the schedule, y = heads, of which blocks of up to 16 queries need a fourth. Shared memory
/// at 128 channels: 34 KiB of keys and values, before them the queries and afterwards the results.</para>
/// </remarks>
/// <typeparam name="THead">The smallest tile that holds a head.</typeparam>
/// <typeparam name="TElement">float16 or bfloat16.</typeparam>
internal static class ScopeAttentionMma<THead, TElement>
    where THead : struct, IMmaHeadTile
    where TElement : struct, IBits16Element
{
    private const int WarpCount = 4;
    private const int Unit = ScopeSchedule.UnitSize;
    private const int TileKeys = ScopeSchedule.TileKeys;
    private const int TileUnits = TileKeys / Unit;

    /// <summary>Threads of a block.</summary>
    public const int GroupSize = 32 * WarpCount;

    private static int RowBytes => PaddedTile.RowBytes(THead.Chunks);

    private static int RowChunks => PaddedTile.RowChunks(THead.Chunks);

    private static int UnitBytes => Unit * RowBytes;

    private static int TileBytes => TileUnits * UnitBytes;

    /// <param name="blocks">The schedule.</param>
    /// <param name="places">The lists of keys: <c>row &lt;&lt; 16 | column</c> of a patch in its image, or
    /// <see cref="ScopeSchedule.NoPlace"/>.</param>
    /// <param name="windows">What query rows and columns see.</param>
    /// <param name="bias">Bias tables in base 2, of the scopes that are more than a mask.</param>
    /// <param name="queries">Projected queries, scaled by log₂e/√d: [scopes][queries, heads, d/8].</param>
    /// <param name="keyValues">Projected keys and values, [patches, 2, key scopes, heads, d/8].</param>
    /// <param name="output">Receives the weighted sums, [tokens, scopes, heads, d/8].</param>
    /// <param name="logSums">Receives log₂ Σ 2^logit, [tokens, scopes, heads], if it is stored; the logits of a
    /// Gaussian scope are relative to the bias of the patch that is nearest.</param>
    /// <param name="scopeCount">Scopes.</param>
    /// <param name="keyScopeCount">Scopes with keys and values of their own.</param>
    /// <param name="headCount">Heads.</param>
    /// <param name="headVectors">d/8, where d is rounded up to a multiple of 8 with zeros.</param>
    /// <param name="queryColumns">Columns of the query grid.</param>
    /// <param name="storesLogSums">1 to store <paramref name="logSums"/>, 0 not to.</param>
    public static void Run(ArrayView<MmaBlock> blocks, ArrayView<int> places, ArrayView<AxisWindow> windows,
        ArrayView<float> bias, ArrayView<UInt4> queries, ArrayView<UInt4> keyValues, ArrayView<UInt4> output,
        ArrayView<float> logSums, int scopeCount, int keyScopeCount, int headCount,
        int headVectors, int queryColumns, int storesLogSums)
    {
        var block = MmaBlock.Load(blocks, Grid.IdxX);
        bool isWide = block.QueryCount > Unit;
        if (!isWide & Grid.IdxY * WarpCount >= headCount)
            return;

        ArrayView<UInt4> memory = SharedMemory.Allocate<UInt4>(2 * TileKeys * RowChunks);
        uint keyTile = SharedMemoryAccess.AddressOf(ref memory[0]);
        uint valueTile = keyTile + (uint)TileBytes;
        int lane = Group.IdxX % 32;
        uint warpRows = (uint)(Group.IdxX / 32 * UnitBytes);
        int head = HeadOf(block, headCount);
        bool isActive = QueryCountOf(block, headCount) > 0;

        // Queries wait where values will be.
        var copies = KeyCopies<THead>.Of(block, isWide, headVectors, 2 * keyScopeCount * headCount * headVectors);
        uint keysTo = keyTile + (uint)KeyCopies<THead>.Offset;
        CopyQueries(keysTo + (uint)TileBytes, queries, block, head, headCount, headVectors, queryColumns);
        long firstKey = ((long)block.FirstPatch * 2 * keyScopeCount * headCount * headVectors)
            + (((block.KeyScope * headCount) + head) * headVectors) + KeyCopies<THead>.LaneChunk;
        ArrayView<UInt4> keys = keyValues.SubView(firstKey);
        ArrayView<UInt4> values = keyValues.SubView(firstKey + (keyScopeCount * headCount * headVectors));
        var laneRows = new int[KeyCopies<THead>.LaneRows];
        var starts = new int[KeyCopies<THead>.LaneRows];
        copies.ReadPlaces(places, 0, laneRows);
        copies.Find(laneRows, starts);
        copies.Start(keysTo, keys, starts);
        int laneKeys = block.FirstPlace + (4 * (lane % 4));

        AsyncCopy.Wait(0);
        Warp.Barrier();
        var left = new UInt4[THead.Chunks / 2];
        uint valueRows = valueTile + (uint)PaddedTile.RowsFirst(lane, RowBytes);
        for (int step = 0; step < THead.Chunks / 2; step++)
            left[step] = LoadMatrix.X4(valueRows + warpRows, 2 * step * SwizzledTile.ChunkBytes);

        var states = new OnlineSoftmax[2];
        var sums = new Float4[THead.Chunks];
        MmaSoftmax.Clear(states, sums, THead.Chunks);
        uint keyRows = keyTile + (uint)PaddedTile.ChunksFirst(lane, RowBytes);
        Warp.Barrier();

        int activeEnd = isWide & isActive ? block.KeyCount / TileKeys : 0;
        int plainEnd = IntrinsicMath.Min(block.FullTiles, activeEnd);
        int windowEnd = block.Bias < 0 ? activeEnd : plainEnd;
        for (int tile = 0; tile < plainEnd; tile++)
        {
            Step<NoMask>(tile, copies, keysTo, keys, values, places, laneRows, starts, laneKeys, left, keyRows,
                valueRows, bias, default, states, sums);
        }

        // The lane's scope is read inside each branch that uses it: read once, it would occupy registers everywhere.
        if (plainEnd < windowEnd)
        {
            LaneScope scope = ScopeOf(blocks, windows, headCount);
            for (int tile = plainEnd; tile < windowEnd; tile++)
            {
                Step<WindowMask>(tile, copies, keysTo, keys, values, places, laneRows, starts, laneKeys, left, keyRows,
                    valueRows, bias, scope, states, sums);
            }
        }

        if (windowEnd < activeEnd)
        {
            LaneScope scope = ScopeOf(blocks, windows, headCount);
            for (int tile = windowEnd; tile < activeEnd; tile++)
            {
                Step<BiasMask>(tile, copies, keysTo, keys, values, places, laneRows, starts, laneKeys, left,
                    keyRows, valueRows, bias, scope, states, sums);
            }
        }

        // For the same reason the block is read again.
        block = MmaBlock.Load(blocks, Grid.IdxX);
        isWide = block.QueryCount > Unit;
        int tileCount = isWide ? block.KeyCount / TileKeys : 0;
        // Warps without queries copy for the others.
        for (int tile = activeEnd; tile < tileCount; tile++)
        {
            AsyncCopy.Wait(0);
            Group.Barrier();
            copies.Start(keysTo + (uint)TileBytes, values, starts);
            copies.ReadPlaces(places, (tile + 1) * TileKeys, laneRows);
            copies.Find(laneRows, starts);
            AsyncCopy.Wait(0);
            Group.Barrier();
            copies.Start(keysTo, keys, starts);
        }

        int restUnits = isWide ? block.KeyCount % TileKeys / Unit : 0;
        if (restUnits > 0)
        {
            Group.Barrier();
            copies.Start(keysTo + (uint)TileBytes, values, starts);
            LaneScope scope = ScopeOf(blocks, windows, headCount);
            AsyncCopy.Wait(0);
            Group.Barrier();
            int activeUnits = QueryCountOf(block, headCount) > 0 ? restUnits : 0;
            for (int unit = 0; unit < activeUnits; unit++)
            {
                var weights = new Float4[2];
                uint offset = (uint)(unit * UnitBytes);
                Multiply(weights, 1, left, keyRows + offset);
                int unitKeys = laneKeys + (tileCount * TileKeys) + (unit * Unit);
                if (block.Bias < 0)
                    WindowMask.Apply(weights, 1, places, unitKeys, bias, scope);
                else
                    BiasMask.Apply(weights, 1, places, unitKeys, bias, scope);
                MmaSoftmax.Weigh(weights, 1, states, sums, THead.Chunks);
                AddValues(sums, weights, 1, valueRows + offset);
            }
        }

        // Few queries: a warp has rows of its own in both tiles.
        int unitCount = !isWide & QueryCountOf(block, headCount) > 0 ? block.KeyCount / Unit : 0;
        if (unitCount > 0)
        {
            copies.Start(keysTo + (uint)TileBytes, values, starts);
            LaneScope scope = ScopeOf(blocks, windows, headCount);
            windowEnd = block.Bias < 0 ? unitCount : 0;
            for (int unit = 0; unit < windowEnd; unit++)
            {
                StepAlone<WindowMask>(unit, copies, keysTo, keys, values, places, laneRows, starts, laneKeys, left,
                    keyRows + warpRows, valueRows + warpRows, bias, scope, states, sums);
            }

            for (int unit = windowEnd; unit < unitCount; unit++)
            {
                StepAlone<BiasMask>(unit, copies, keysTo, keys, values, places, laneRows, starts, laneKeys, left,
                    keyRows + warpRows, valueRows + warpRows, bias, scope, states, sums);
            }
        }

        AsyncCopy.Wait(0);
        Group.Barrier();
        Store(memory, output, logSums, MmaBlock.Load(blocks, Grid.IdxX), scopeCount, headCount,
            headVectors, queryColumns, storesLogSums, states, sums);
    }

    /// <summary>The first of the tile's queries that this warp computes.</summary>
    private static int FirstQueryOf(MmaBlock block) => block.QueryCount > Unit ? Group.IdxX / 32 * Unit : 0;

    /// <summary>The head that this warp computes; the last one where there is none for it.</summary>
    private static int HeadOf(MmaBlock block, int headCount) => block.QueryCount > Unit ? Grid.IdxY
        : IntrinsicMath.Min((Grid.IdxY * WarpCount) + (Group.IdxX / 32), headCount - 1);

    /// <summary>How many queries this warp computes; not positive if none.</summary>
    private static int QueryCountOf(MmaBlock block, int headCount)
    {
        bool hasHead = block.QueryCount > Unit | (Grid.IdxY * WarpCount) + (Group.IdxX / 32) < headCount;
        return hasHead ? block.QueryCount - FirstQueryOf(block) : 0;
    }

    /// <summary>What this lane's queries see; of a warp that has none, the last one.</summary>
    private static LaneScope ScopeOf(ArrayView<MmaBlock> blocks, ArrayView<AxisWindow> windows, int headCount)
    {
        var block = MmaBlock.Load(blocks, Grid.IdxX);
        int first = FirstQueryOf(block) + (Group.IdxX % 32 / 4);
        int upper = IntrinsicMath.Min(first, block.QueryCount - 1);
        int lower = IntrinsicMath.Min(first + 8, block.QueryCount - 1);
        return LaneScope.Load(windows, block, HeadOf(block, headCount), block.RowOf(upper),
            block.ColumnOf(upper), block.RowOf(lower), block.ColumnOf(lower), upper - block.ColumnOf(upper),
            lower - block.ColumnOf(lower));
    }

    /// <summary>Starts to copy the warp's 16 queries. Those that the tile lacks repeat its last one; a warp that has
    /// none gets zeros.</summary>
    private static void CopyQueries(uint to, ArrayView<UInt4> queries, MmaBlock block, int head, int headCount,
        int headVectors, int queryColumns)
    {
        for (int row = 0; row < KeyCopies<THead>.LaneRows; row++)
        {
            int query = FirstQueryOf(block) + (row * KeyCopies<THead>.RowsAtOnce) + KeyCopies<THead>.LaneRow;
            int index = block.IndexOf(IntrinsicMath.Min(query, block.QueryCount - 1), queryColumns);
            int start = block.QueryStart + (((index * headCount) + head) * headVectors) + KeyCopies<THead>.LaneChunk;
            for (int group = 0; group < KeyCopies<THead>.LaneChunks; group++)
            {
                int chunk = group * KeyCopies<THead>.ChunksAtOnce;
                int offset = chunk * SwizzledTile.ChunkBytes;
                bool isPart = chunk + KeyCopies<THead>.LaneChunk < headVectors & QueryCountOf(block, headCount) > 0;
                AsyncCopy.StartOrZero(to, (row * KeyCopies<THead>.RowsAtOnce * RowBytes) + offset, ref queries[start],
                    offset, Utilities.Select(isPart, SwizzledTile.ChunkBytes, 0));
            }
        }
    }

    /// <summary>A tile of keys, of which the warp's queries see all or some.</summary>
    private static void Step<TMask>(int tile, KeyCopies<THead> copies, uint keysTo, ArrayView<UInt4> keys,
        ArrayView<UInt4> values, ArrayView<int> places, int[] laneRows, int[] starts, int laneKeys,
        UInt4[] left, uint keyRows, uint valueRows, ArrayView<float> bias, LaneScope scope,
        OnlineSoftmax[] states, Float4[] sums)
        where TMask : struct, IScopeMask
    {
        // This tile's keys are there, and nobody reads the last one's values any more.
        AsyncCopy.Wait(0);
        Group.Barrier();
        copies.Start(keysTo + (uint)TileBytes, values, starts);
        copies.ReadPlaces(places, (tile + 1) * TileKeys, laneRows);
        var weights = new Float4[2 * TileUnits];
        Multiply(weights, TileUnits, left, keyRows);
        TMask.Apply(weights, TileUnits, places, laneKeys + (tile * TileKeys), bias, scope);
        MmaSoftmax.Weigh(weights, TileUnits, states, sums, THead.Chunks);
        copies.Find(laneRows, starts);
        AsyncCopy.Wait(0);
        Group.Barrier();
        copies.Start(keysTo, keys, starts);
        AddValues(sums, weights, TileUnits, valueRows);
    }

    /// <summary>A unit of keys, which the warp copied itself.</summary>
    private static void StepAlone<TMask>(int unit, KeyCopies<THead> copies, uint keysTo, ArrayView<UInt4> keys,
        ArrayView<UInt4> values, ArrayView<int> places, int[] laneRows, int[] starts, int laneKeys,
        UInt4[] left, uint keyRows, uint valueRows, ArrayView<float> bias, LaneScope scope,
        OnlineSoftmax[] states, Float4[] sums)
        where TMask : struct, IScopeMask
    {
        // The keys are there, the values perhaps not yet.
        AsyncCopy.Wait(1);
        Warp.Barrier();
        copies.ReadPlaces(places, (unit + 1) * Unit, laneRows);
        var weights = new Float4[2];
        Multiply(weights, 1, left, keyRows);
        Warp.Barrier();
        copies.Find(laneRows, starts);
        copies.Start(keysTo, keys, starts);
        TMask.Apply(weights, 1, places, laneKeys + (unit * Unit), bias, scope);
        MmaSoftmax.Weigh(weights, 1, states, sums, THead.Chunks);
        AsyncCopy.Wait(1);
        Warp.Barrier();
        AddValues(sums, weights, 1, valueRows);
        Warp.Barrier();
        copies.Start(keysTo + (uint)TileBytes, values, starts);
    }

    /// <summary>Logits of the warp's queries and some units of keys.</summary>
    private static void Multiply(Float4[] logits, int unitCount, UInt4[] left, uint keyRows)
    {
        for (int tile = 0; tile < 2 * unitCount; tile++)
            logits[tile] = new Float4(0, 0, 0, 0);
        for (int step = 0; step < THead.Chunks / 2; step++)
        {
            for (int unit = 0; unit < unitCount; unit++)
            {
                UInt4 right = LoadMatrix.X4(keyRows, (unit * UnitBytes) + (2 * step * SwizzledTile.ChunkBytes));
                logits[2 * unit] = TElement.AddProduct(logits[2 * unit], left[step], right.X, right.Y);
                logits[(2 * unit) + 1] = TElement.AddProduct(logits[(2 * unit) + 1], left[step], right.Z, right.W);
            }
        }
    }

    /// <summary>Adds some units of values, times their weights.</summary>
    private static void AddValues(Float4[] sums, Float4[] weights, int unitCount, uint valueRows)
    {
        for (int unit = 0; unit < unitCount; unit++)
        {
            UInt4 fragment = MmaSoftmax.Fragment<TElement>(weights, unit);
            for (int chunk = 0; chunk < THead.Chunks; chunk += 2)
            {
                UInt4 right = LoadMatrix.X4Transposed(valueRows,
                    (unit * UnitBytes) + (chunk * SwizzledTile.ChunkBytes));
                sums[chunk] = TElement.AddProduct(sums[chunk], fragment, right.X, right.Y);
                sums[chunk + 1] = TElement.AddProduct(sums[chunk + 1], fragment, right.Z, right.W);
            }
        }
    }

    /// <summary>Stores the results of a warp through its own rows of shared memory.</summary>
    private static void Store(ArrayView<UInt4> memory, ArrayView<UInt4> output, ArrayView<float> logSums,
        MmaBlock block, int scopeCount, int headCount, int headVectors, int queryColumns, int storesLogSums,
        OnlineSoftmax[] states, Float4[] sums)
    {
        int lane = Group.IdxX % 32;
        int warpRow = Group.IdxX / 32 * Unit;
        int firstQuery = FirstQueryOf(block);
        int queryCount = QueryCountOf(block, headCount);
        int firstRow = (((block.FirstToken * scopeCount) + block.Scope) * headCount) + HeadOf(block, headCount);
        int rowStride = scopeCount * headCount;
        int upper = lane / 4;
        bool isUpper = upper < queryCount;
        bool isLower = upper + 8 < queryCount;
        OnlineSoftmax upperState = MmaSoftmax.OfRow(states[0]);
        OnlineSoftmax lowerState = MmaSoftmax.OfRow(states[1]);
        float upperFactor = Utilities.Select(isUpper, upperState.Normaliser, 0f);
        float lowerFactor = Utilities.Select(isLower, lowerState.Normaliser, 0f);
        ArrayView<uint> pairs = memory.Cast<uint>();
        for (int chunk = 0; chunk < THead.Chunks; chunk++)
        {
            var value = new Float4(sums[chunk].X * upperFactor, sums[chunk].Y * upperFactor,
                sums[chunk].Z * lowerFactor, sums[chunk].W * lowerFactor);
            int place = ((((warpRow + upper) * RowChunks) + chunk) * 4) + (lane % 4);
            pairs[place] = TElement.Pack(value.X, value.Y);
            pairs[place + (8 * RowChunks * 4)] = TElement.Pack(value.Z, value.W);
        }

        if (storesLogSums != 0 & lane % 4 == 0)
        {
            if (isUpper)
            {
                logSums[firstRow + (block.IndexOf(firstQuery + upper, queryColumns) * rowStride)]
                    = upperState.LogSum;
            }

            if (isLower)
            {
                logSums[firstRow + (block.IndexOf(firstQuery + upper + 8, queryColumns) * rowStride)]
                    = lowerState.LogSum;
            }
        }

        Warp.Barrier();
        for (int part = 0; part < KeyCopies<THead>.LaneRows; part++)
        {
            int row = (part * KeyCopies<THead>.RowsAtOnce) + KeyCopies<THead>.LaneRow;
            int start = (firstRow + (block.IndexOf(firstQuery + row, queryColumns) * rowStride)) * headVectors;
            for (int group = 0; group < KeyCopies<THead>.LaneChunks; group++)
            {
                int chunk = (group * KeyCopies<THead>.ChunksAtOnce) + KeyCopies<THead>.LaneChunk;
                if (row < queryCount & chunk < headVectors)
                    output[start + chunk] = memory[((warpRow + row) * RowChunks) + chunk];
            }
        }
    }
}
