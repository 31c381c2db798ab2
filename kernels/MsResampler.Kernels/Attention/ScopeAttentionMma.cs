using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;
using Utilities = ILGPU.Util.Utilities;

namespace MsResampler.Kernels.Attention;

/// <summary>Attention of all images, scopes and heads of a ragged batch on tensor cores. A block computes a tile of
/// queries against the list of the patches that any of them sees, in 16-bit elements with logits and sums in float32;
/// from sm_80 on.</summary>
/// <remarks>
/// <para>A wide block, one of more than 16 queries, has a warp for each 16 queries (Dao, FlashAttention-2, 2023). The
/// block's list selects its keys from the image, in tiles of 64 that all warps read in shared memory. While the logits
/// of a tile are computed its values are copied, and while the values are summed the next keys are copied: two
/// barriers for each tile. The rest of the list after whole tiles is processed in units of 16 keys. A narrow block, one
/// of up to 16 queries, computes four heads, one in each warp. A warp of it takes 16 keys at a time and copies them
/// itself, so that it waits for no other warp. No product larger than 16 × 16 is computed in vain.</para>
/// <para>The list begins with the keys that every query sees, and tiles of them need no mask. The other tiles compare
/// the row and column of a patch with the windows of a query, in integers, or add a bias from tables (see
/// <see cref="ScopeSchedule.Bias"/>).</para>
/// <para>Weights are rounded to the element type for the product with the values, but their total is the sum of the
/// unrounded weights: rounding to nearest has no bias, a sum of rounded weights would cost an instruction for each of
/// them, and the log-sum keeps the precision of float32.</para>
/// <para>An element of the output depends only on the plan of its image: it has the same bits in any batch.</para>
/// <para>Grid: x = blocks of the schedule, y = heads; narrow blocks use a fourth of the heads. Block: 128 threads.
/// Shared memory: a tile of keys and one of values, 34 KiB at 128 channels, which also hold the queries before and the
/// results afterwards.</para>
/// </remarks>
/// <typeparam name="THead">The smallest tile that holds a head.</typeparam>
/// <typeparam name="TElement">float16 or bfloat16.</typeparam>
internal static class ScopeAttentionMma<THead, TElement>
    where THead : struct, IMmaHeadTile
    where TElement : struct, IBits16Element
{
    private const int Unit = ScopeSchedule.UnitSize;
    private const int TileKeys = ScopeSchedule.TileKeys;
    private const int TileUnits = TileKeys / Unit;

    /// <summary>Threads of a block.</summary>
    public const int BlockSize = 32 * MmaWarp.Count;

    private static int RowBytes => PaddedTile.RowBytes(THead.Chunks);

    private static int RowChunks => PaddedTile.RowChunks(THead.Chunks);

    private static int UnitBytes => Unit * RowBytes;

    /// <summary>Computes the attention of a schedule. In the shapes, d is the head size in vectors of 8
    /// channels.</summary>
    /// <param name="blocks">The schedule.</param>
    /// <param name="places">The lists of keys: <c>row &lt;&lt; 16 | column</c> of a patch in its image, or
    /// <see cref="ScopeSchedule.NoPlace"/>.</param>
    /// <param name="windows">The windows of query rows and columns.</param>
    /// <param name="bias">The bias tables, in base 2, of scopes that are more than a window.</param>
    /// <param name="queries">Projected queries, scaled by log₂e/√(head size): [scopes][queries, heads, d].</param>
    /// <param name="keyValues">Projected keys and values, [patches, 2, key scopes, heads, d], and
    /// <see cref="ScopeSchedule.ExtraVectors"/>.</param>
    /// <param name="output">Receives the weighted sums, [tokens, scopes, heads, d].</param>
    /// <param name="logSums">Receives log₂ Σ 2^logit, [tokens, scopes, heads], if it is stored. The logits of a
    /// Gaussian scope are relative to the bias of the nearest patch.</param>
    /// <param name="shape">The extents.</param>
    /// <param name="storesLogSums">1 to store <paramref name="logSums"/>, 0 not to.</param>
    public static void Run(ArrayView<MmaBlock> blocks, ArrayView<int> places, ArrayView<AxisWindow> windows,
        ArrayView<float> bias, ArrayView<UInt4> queries, ArrayView<UInt4> keyValues, ArrayView<UInt4> output,
        ArrayView<float> logSums, AttentionShape shape, int storesLogSums)
    {
        var block = MmaBlock.Load(blocks, Grid.IdxX);
        bool isWide = block.QueryCount > Unit;
        if (!isWide & Grid.IdxY * MmaWarp.Count >= shape.HeadCount)
            return;

        ArrayView<UInt4> memory = SharedMemory.Allocate<UInt4>(2 * TileKeys * RowChunks);
        uint keyTile = SharedMemoryAccess.AddressOf(ref memory[0]);
        uint valueTile = keyTile + (uint)KeyCopies<THead>.TileBytes;
        int lane = Group.IdxX % 32;
        uint warpRows = (uint)(Group.IdxX / 32 * UnitBytes);
        var warp = MmaWarp.Of(block, shape.HeadCount);
        bool isActive = warp.QueryCount > 0;

        var copies = KeyCopies<THead>.Of(keyTile, block, isWide, shape);
        copies.StartQueries(queries, block, warp, shape);
        long firstKey = ((long)block.FirstPatch * 2 * shape.KeyScopeCount * shape.HeadCount * shape.HeadVectors)
            + (((block.KeyScope * shape.HeadCount) + warp.Head) * shape.HeadVectors) + KeyCopies<THead>.LaneChunk;
        ArrayView<UInt4> keys = keyValues.SubView(firstKey);
        ArrayView<UInt4> values = keyValues.SubView(firstKey
            + (shape.KeyScopeCount * shape.HeadCount * shape.HeadVectors));
        var lanePlaces = new int[KeyCopies<THead>.LaneRows];
        var starts = new int[KeyCopies<THead>.LaneRows];
        copies.ReadPlaces(places, 0, lanePlaces);
        copies.Find(lanePlaces, starts);
        copies.StartKeys(keys, starts);
        int laneKeys = block.FirstPlace + (4 * (lane % 4));

        // The queries that other lanes copied are complete.
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
        // The queries are no longer read; a narrow block next copies values there.
        Warp.Barrier();

        int activeEnd = isWide & isActive ? block.KeyCount / TileKeys : 0;
        int plainEnd = IntrinsicMath.Min(block.FullTiles, activeEnd);
        int windowEnd = block.Bias < 0 ? activeEnd : plainEnd;
        for (int tile = 0; tile < plainEnd; tile++)
        {
            Step<NoMask>(tile, copies, keys, values, places, lanePlaces, starts, laneKeys, left, keyRows, valueRows,
                bias, default, states, sums);
        }

        // The lane's scope is loaded in each branch that uses it: loaded once, it would occupy registers everywhere.
        if (plainEnd < windowEnd)
        {
            LaneScope scope = ScopeOf(blocks, windows, shape.HeadCount);
            for (int tile = plainEnd; tile < windowEnd; tile++)
            {
                Step<WindowMask>(tile, copies, keys, values, places, lanePlaces, starts, laneKeys, left, keyRows,
                    valueRows, bias, scope, states, sums);
            }
        }

        if (windowEnd < activeEnd)
        {
            LaneScope scope = ScopeOf(blocks, windows, shape.HeadCount);
            for (int tile = windowEnd; tile < activeEnd; tile++)
            {
                Step<BiasMask>(tile, copies, keys, values, places, lanePlaces, starts, laneKeys, left, keyRows,
                    valueRows, bias, scope, states, sums);
            }
        }

        // For the same reason the block is loaded again.
        block = MmaBlock.Load(blocks, Grid.IdxX);
        isWide = block.QueryCount > Unit;
        int tileCount = isWide ? block.KeyCount / TileKeys : 0;
        // Warps without queries copy for the others.
        for (int tile = activeEnd; tile < tileCount; tile++)
        {
            AsyncCopy.Wait(0);
            Group.Barrier();
            copies.StartValues(values, starts);
            copies.ReadPlaces(places, (tile + 1) * TileKeys, lanePlaces);
            copies.Find(lanePlaces, starts);
            AsyncCopy.Wait(0);
            Group.Barrier();
            copies.StartKeys(keys, starts);
        }

        int restUnits = isWide ? block.KeyCount % TileKeys / Unit : 0;
        if (restUnits > 0)
        {
            Group.Barrier();
            copies.StartValues(values, starts);
            LaneScope scope = ScopeOf(blocks, windows, shape.HeadCount);
            AsyncCopy.Wait(0);
            Group.Barrier();
            int activeUnits = MmaWarp.Of(block, shape.HeadCount).QueryCount > 0 ? restUnits : 0;
            for (int unit = 0; unit < activeUnits; unit++)
            {
                var weights = new Float4[2];
                uint offset = (uint)(unit * UnitBytes);
                Multiply(weights, 1, left, keyRows + offset);
                int unitKeys = laneKeys + (tileCount * TileKeys) + (unit * Unit);
                if (block.Bias < 0)
                    ScopeMask.Apply<WindowMask>(weights, 1, places, unitKeys, bias, scope);
                else
                    ScopeMask.Apply<BiasMask>(weights, 1, places, unitKeys, bias, scope);
                MmaSoftmax.Weigh(weights, 1, states, sums, THead.Chunks);
                AddValues(sums, weights, 1, valueRows + offset);
            }
        }

        // A warp of a narrow block has its own rows in both tiles.
        int unitCount = !isWide & MmaWarp.Of(block, shape.HeadCount).QueryCount > 0 ? block.KeyCount / Unit : 0;
        if (unitCount > 0)
        {
            copies.StartValues(values, starts);
            LaneScope scope = ScopeOf(blocks, windows, shape.HeadCount);
            windowEnd = block.Bias < 0 ? unitCount : 0;
            for (int unit = 0; unit < windowEnd; unit++)
            {
                StepAlone<WindowMask>(unit, copies, keys, values, places, lanePlaces, starts, laneKeys, left,
                    keyRows + warpRows, valueRows + warpRows, bias, scope, states, sums);
            }

            for (int unit = windowEnd; unit < unitCount; unit++)
            {
                StepAlone<BiasMask>(unit, copies, keys, values, places, lanePlaces, starts, laneKeys, left,
                    keyRows + warpRows, valueRows + warpRows, bias, scope, states, sums);
            }
        }

        // No copy is pending when a thread ends, and the tiles are no longer read.
        AsyncCopy.Wait(0);
        Group.Barrier();
        Store(memory, output, logSums, MmaBlock.Load(blocks, Grid.IdxX), shape, storesLogSums, states, sums);
    }

    /// <summary>The scopes of this lane's queries; of the last query in a warp that has none.</summary>
    private static LaneScope ScopeOf(ArrayView<MmaBlock> blocks, ArrayView<AxisWindow> windows, int headCount)
    {
        var block = MmaBlock.Load(blocks, Grid.IdxX);
        var warp = MmaWarp.Of(block, headCount);
        int first = warp.FirstQuery + (Group.IdxX % 32 / 4);
        int upper = IntrinsicMath.Min(first, block.QueryCount - 1);
        int lower = IntrinsicMath.Min(first + 8, block.QueryCount - 1);
        return LaneScope.Load(windows, block, warp.Head, block.RowOf(upper), block.ColumnOf(upper), block.RowOf(lower),
            block.ColumnOf(lower), upper - block.ColumnOf(upper), lower - block.ColumnOf(lower));
    }

    /// <summary>Adds a tile of keys that all warps of the block copy.</summary>
    private static void Step<TMask>(int tile, KeyCopies<THead> copies, ArrayView<UInt4> keys,
        ArrayView<UInt4> values, ArrayView<int> places, int[] lanePlaces, int[] starts, int laneKeys, UInt4[] left,
        uint keyRows, uint valueRows, ArrayView<float> bias, LaneScope scope, OnlineSoftmax[] states, Float4[] sums)
        where TMask : struct, IScopeMask
    {
        // After the barrier the keys of this tile are complete, and the values of the one before are no longer read.
        AsyncCopy.Wait(0);
        Group.Barrier();
        copies.StartValues(values, starts);
        copies.ReadPlaces(places, (tile + 1) * TileKeys, lanePlaces);
        var weights = new Float4[2 * TileUnits];
        Multiply(weights, TileUnits, left, keyRows);
        ScopeMask.Apply<TMask>(weights, TileUnits, places, laneKeys + (tile * TileKeys), bias, scope);
        MmaSoftmax.Weigh(weights, TileUnits, states, sums, THead.Chunks);
        copies.Find(lanePlaces, starts);
        AsyncCopy.Wait(0);
        Group.Barrier();
        copies.StartKeys(keys, starts);
        AddValues(sums, weights, TileUnits, valueRows);
    }

    /// <summary>Adds a unit of keys that the warp copies itself.</summary>
    private static void StepAlone<TMask>(int unit, KeyCopies<THead> copies, ArrayView<UInt4> keys,
        ArrayView<UInt4> values, ArrayView<int> places, int[] lanePlaces, int[] starts, int laneKeys, UInt4[] left,
        uint keyRows, uint valueRows, ArrayView<float> bias, LaneScope scope, OnlineSoftmax[] states, Float4[] sums)
        where TMask : struct, IScopeMask
    {
        // The keys are complete; the copy of the values may still be pending.
        AsyncCopy.Wait(1);
        Warp.Barrier();
        copies.ReadPlaces(places, (unit + 1) * Unit, lanePlaces);
        var weights = new Float4[2];
        Multiply(weights, 1, left, keyRows);
        // The keys are no longer read.
        Warp.Barrier();
        copies.Find(lanePlaces, starts);
        copies.StartKeys(keys, starts);
        ScopeMask.Apply<TMask>(weights, 1, places, laneKeys + (unit * Unit), bias, scope);
        MmaSoftmax.Weigh(weights, 1, states, sums, THead.Chunks);
        // The values are complete; the copy of the next keys may still be pending.
        AsyncCopy.Wait(1);
        Warp.Barrier();
        AddValues(sums, weights, 1, valueRows);
        // The values are no longer read.
        Warp.Barrier();
        copies.StartValues(values, starts);
    }

    /// <summary>Computes the logits of the warp's queries and some units of keys.</summary>
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

    /// <summary>Adds the weighted values of some units.</summary>
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
        MmaBlock block, AttentionShape shape, int storesLogSums, OnlineSoftmax[] states, Float4[] sums)
    {
        int lane = Group.IdxX % 32;
        int warpRow = Group.IdxX / 32 * Unit;
        var warp = MmaWarp.Of(block, shape.HeadCount);
        int firstRow = (((block.FirstToken * shape.ScopeCount) + block.Scope) * shape.HeadCount) + warp.Head;
        int rowStride = shape.ScopeCount * shape.HeadCount;
        int upper = lane / 4;
        bool isUpper = upper < warp.QueryCount;
        bool isLower = upper + 8 < warp.QueryCount;
        OnlineSoftmax upperState = MmaSoftmax.OfRow(states[0]);
        OnlineSoftmax lowerState = MmaSoftmax.OfRow(states[1]);
        float upperFactor = Utilities.Select(isUpper, upperState.Normaliser, 0f);
        float lowerFactor = Utilities.Select(isLower, lowerState.Normaliser, 0f);
        ArrayView<uint> pairs = memory.Cast<uint>();
        for (int chunk = 0; chunk < THead.Chunks; chunk++)
        {
            var value = new Float4(sums[chunk].X * upperFactor, sums[chunk].Y * upperFactor,
                sums[chunk].Z * lowerFactor, sums[chunk].W * lowerFactor);
            int pair = ((((warpRow + upper) * RowChunks) + chunk) * 4) + (lane % 4);
            pairs[pair] = TElement.Pack(value.X, value.Y);
            pairs[pair + (8 * RowChunks * 4)] = TElement.Pack(value.Z, value.W);
        }

        if (storesLogSums != 0 & lane % 4 == 0)
        {
            if (isUpper)
            {
                logSums[firstRow + (block.IndexOf(warp.FirstQuery + upper, shape.QueryColumns) * rowStride)]
                    = upperState.LogSum;
            }

            if (isLower)
            {
                logSums[firstRow + (block.IndexOf(warp.FirstQuery + upper + 8, shape.QueryColumns) * rowStride)]
                    = lowerState.LogSum;
            }
        }

        // The results of the other lanes are complete.
        Warp.Barrier();
        for (int part = 0; part < KeyCopies<THead>.LaneRows; part++)
        {
            int row = (part * KeyCopies<THead>.RowsAtOnce) + KeyCopies<THead>.LaneRow;
            int index = block.IndexOf(warp.FirstQuery + row, shape.QueryColumns);
            int start = (firstRow + (index * rowStride)) * shape.HeadVectors;
            for (int step = 0; step < KeyCopies<THead>.LaneChunks; step++)
            {
                int chunk = (step * KeyCopies<THead>.ChunksAtOnce) + KeyCopies<THead>.LaneChunk;
                if (row < warp.QueryCount & chunk < shape.HeadVectors)
                    output[start + chunk] = memory[((warpRow + row) * RowChunks) + chunk];
            }
        }
    }
}
