using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;
using Utilities = ILGPU.Util.Utilities;

namespace MsResampler.Kernels.Attention;

/// <summary>Attention of all images, scopes and heads of a ragged batch on tensor cores: per block a tile of queries
/// against the list of the patches that any of them sees. 16-bit elements, logits and sums in float32; from sm_80
/// on.</summary>
/// <remarks>
/// <para>Keys come in tiles of 64, gathered from the image by the block's list. A block of more than 16 queries has a
/// warp for each 16 (Dao, FlashAttention-2, 2023): all warps read the same keys K and values V in shared memory, V is
/// copied while logits are computed and the next K while values are summed, two barriers a tile. What is left of the
/// list after whole tiles goes in chunks of 16. A block of up to 16 queries gives all of them to every warp, and each
/// warp its own 16 keys of a tile, which it copies itself, without a barrier; the warps' sums are merged at the end in
/// the order of the warps. So nothing smaller than 16 × 16 is multiplied for nothing.</para>
/// <para>The list begins with the keys that every query sees: those tiles need no mask. The others compare the patch's
/// row and column with the query's windows, in integers, and a Gaussian's bias is computed in float32 from both (see
/// <see cref="AxisWindow"/>).</para>
/// <para>Weights are rounded to the element's type for the product with the values, but their sum is taken of them
/// unrounded: rounding to nearest has no bias, adding the rounded ones would cost an instruction for each, and the
/// log-sum-exp keeps the precision of float32.</para>
/// <para>An element of the output depends on its image's plan alone: the same bits in any batch.</para>
/// <para>Grid: x = blocks of the schedule, y = heads. Shared memory at 128 channels: 34 KiB of keys and values, before
/// them the queries and afterwards the results, and 512 bytes.</para>
/// </remarks>
/// <typeparam name="THead">The smallest tile that holds a head.</typeparam>
/// <typeparam name="TElement">float16 or bfloat16.</typeparam>
internal static class ScopeAttentionMma<THead, TElement>
    where THead : struct, IMmaHeadTile
    where TElement : struct, IHalfElement
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
    /// <param name="scales">log₂e / 2σ² of Gaussians.</param>
    /// <param name="queries">Projected queries, scaled by log₂e/√d: [scopes][queries, heads, d/8].</param>
    /// <param name="keyValues">Projected keys and values, [patches, 2, key scopes, heads, d/8].</param>
    /// <param name="output">Receives the weighted sums, [tokens, scopes, heads, d/8].</param>
    /// <param name="logSums">Receives log₂ Σ 2^logit, [tokens, scopes, heads], if it is stored; the logits of a
    /// Gaussian scope are relative to the bias of the patch that is nearest.</param>
    /// <param name="outside">Its first element becomes 1 where a result is outside the element's range, or no number;
    /// else it keeps its value.</param>
    /// <param name="scopeCount">Scopes.</param>
    /// <param name="keyScopeCount">Scopes with keys and values of their own.</param>
    /// <param name="headCount">Heads.</param>
    /// <param name="headVectors">d/8, where d is rounded up to a multiple of 8 with zeros.</param>
    /// <param name="queryColumns">Columns of the query grid.</param>
    /// <param name="storesLogSums">1 to store <paramref name="logSums"/>, 0 not to.</param>
    public static void Run(ArrayView<ScopeBlock> blocks, ArrayView<int> places, ArrayView<AxisWindow> windows,
        ArrayView<float> scales, ArrayView<UInt4> queries, ArrayView<UInt4> keyValues, ArrayView<UInt4> output,
        ArrayView<float> logSums, ArrayView<int> outside, int scopeCount, int keyScopeCount, int headCount,
        int headVectors, int queryColumns, int storesLogSums)
    {
        ArrayView<UInt4> memory = SharedMemory.Allocate<UInt4>(2 * TileKeys * RowChunks);
        ArrayView<float> statistics = SharedMemory.Allocate<float>(2 * WarpCount * Unit);
        uint keyTile = SharedMemoryAccess.AddressOf(ref memory[0]);
        uint valueTile = keyTile + (uint)TileBytes;
        var block = ScopeBlock.Load(blocks, Grid.IdxX);
        int head = Grid.IdxY;
        int lane = Group.IdxX % 32;
        int warp = Group.IdxX / 32;
        bool isWide = block.QueryCount > Unit;
        int queryUnits = (block.QueryCount + Unit - 1) / Unit;

        // Queries wait where values will be.
        CopyQueries(valueTile, queries, block, queryUnits, head, headCount, headVectors, queryColumns);
        int stride = 2 * keyScopeCount * headCount * headVectors;
        long firstKey = ((long)block.FirstPatch * stride) + (((block.KeyScope * headCount) + head) * headVectors)
            + KeyCopies<THead>.LaneChunk;
        ArrayView<UInt4> keys = keyValues.SubView(firstKey);
        ArrayView<UInt4> values = keyValues.SubView(firstKey + (stride / 2));
        var copies = KeyCopies<THead>.Of(block, headVectors, stride);
        uint keysTo = keyTile + (uint)KeyCopies<THead>.Offset;
        var laneRows = new int[KeyCopies<THead>.LaneRows];
        var starts = new int[KeyCopies<THead>.LaneRows];
        copies.ReadPlaces(places, 0, laneRows);
        copies.Find(laneRows, starts);
        copies.Start(keysTo, keys, starts);

        // A warp that has no queries looks at the first ones, but computes nothing.
        int queryUnit = isWide & warp < queryUnits ? warp : 0;
        int laneKeys = block.FirstPlace + (4 * (lane % 4));

        AsyncCopy.Wait(0);
        Group.Barrier();
        var left = new UInt4[THead.Chunks / 2];
        uint queryRows = valueTile + (uint)((queryUnit * UnitBytes) + PaddedTile.RowsFirst(lane, RowBytes));
        for (int step = 0; step < THead.Chunks / 2; step++)
            left[step] = LoadMatrix.X4(queryRows, 2 * step * SwizzledTile.ChunkBytes);

        var best = new float[2];
        var total = new float[2];
        var sums = new Float4[THead.Chunks];
        OnlineSoftmax.Clear(best, total, sums, THead.Chunks);
        uint keyRows = keyTile + (uint)PaddedTile.ChunksFirst(lane, RowBytes);
        uint valueRows = valueTile + (uint)PaddedTile.RowsFirst(lane, RowBytes);
        Group.Barrier();

        int activeEnd = isWide & warp < queryUnits ? block.KeyCount / TileKeys : 0;
        int plainEnd = IntrinsicMath.Min(block.FullTiles, activeEnd);
        int windowEnd = block.Scales < 0 ? activeEnd : plainEnd;
        for (int tile = 0; tile < plainEnd; tile++)
        {
            Step<NoMask>(tile, copies, keysTo, keys, values, places, laneRows, starts, laneKeys, left, keyRows,
                valueRows, default, best, total, sums);
        }

        // What queries see is read where it is used, lest it stay in registers elsewhere.
        int windowCount = IntrinsicMath.Min(windowEnd - plainEnd, 1);
        for (int once = 0; once < windowCount; once++)
        {
            LaneScope scope = ScopeOf(blocks, windows, scales);
            for (int tile = plainEnd; tile < windowEnd; tile++)
            {
                Step<WindowMask>(tile, copies, keysTo, keys, values, places, laneRows, starts, laneKeys, left, keyRows,
                    valueRows, scope, best, total, sums);
            }
        }

        int gaussianCount = IntrinsicMath.Min(activeEnd - windowEnd, 1);
        for (int once = 0; once < gaussianCount; once++)
        {
            LaneScope scope = ScopeOf(blocks, windows, scales);
            for (int tile = windowEnd; tile < activeEnd; tile++)
            {
                Step<GaussianMask>(tile, copies, keysTo, keys, values, places, laneRows, starts, laneKeys, left,
                    keyRows, valueRows, scope, best, total, sums);
            }
        }

        // For the same reason the block is read again.
        block = ScopeBlock.Load(blocks, Grid.IdxX);
        isWide = block.QueryCount > Unit;
        int tileCount = isWide ? block.KeyCount / TileKeys : 0;
        // Warps without queries copy for the others.
        for (int tile = activeEnd; tile < tileCount; tile++)
        {
            AsyncCopy.Wait(0);
            Group.Barrier();
            copies.Start(keysTo + (uint)TileBytes, values, starts);
            copies.ReadPlaces(places, tile + 1, laneRows);
            copies.Find(laneRows, starts);
            AsyncCopy.Wait(0);
            Group.Barrier();
            copies.Start(keysTo, keys, starts);
        }

        int restUnits = isWide ? block.KeyCount % TileKeys / Unit : 0;
        int restCount = IntrinsicMath.Min(restUnits, 1);
        for (int once = 0; once < restCount; once++)
        {
            Group.Barrier();
            copies.Start(keysTo + (uint)TileBytes, values, starts);
            LaneScope scope = ScopeOf(blocks, windows, scales);
            AsyncCopy.Wait(0);
            Group.Barrier();
            int activeUnits = warp * Unit < block.QueryCount ? restUnits : 0;
            for (int unit = 0; unit < activeUnits; unit++)
            {
                var weights = new Float4[2];
                uint offset = (uint)(unit * UnitBytes);
                Multiply(weights, 1, left, keyRows + offset);
                GaussianMask.Apply(weights, 1, places, laneKeys + (tileCount * TileKeys) + (unit * Unit), scope);
                OnlineSoftmax.Weigh(weights, 1, best, total, sums, THead.Chunks);
                AddValues(sums, weights, 1, valueRows + offset);
            }
        }

        // Few queries: a warp has rows of its own in both tiles.
        int warpTiles = isWide ? 0 : ((block.KeyCount / Unit) - warp + WarpCount - 1) / WarpCount;
        int firstTile = IntrinsicMath.Min(warpTiles, 1);
        uint warpRows = (uint)(warp * UnitBytes);
        for (int once = 0; once < firstTile; once++)
        {
            copies.Start(keysTo + (uint)TileBytes, values, starts);
            LaneScope scope = ScopeOf(blocks, windows, scales);
            windowEnd = block.Scales < 0 ? warpTiles : 0;
            for (int tile = 0; tile < windowEnd; tile++)
            {
                StepAlone<WindowMask>(tile, copies, keysTo, keys, values, places, laneRows, starts,
                    laneKeys + (warp * Unit), left, keyRows + warpRows, valueRows + warpRows, scope, best, total, sums);
            }

            for (int tile = windowEnd; tile < warpTiles; tile++)
            {
                StepAlone<GaussianMask>(tile, copies, keysTo, keys, values, places, laneRows, starts,
                    laneKeys + (warp * Unit), left, keyRows + warpRows, valueRows + warpRows, scope, best, total, sums);
            }
        }

        block = ScopeBlock.Load(blocks, Grid.IdxX);
        for (int row = 0; row < 2; row++)
            total[row] = OnlineSoftmax.SumOfRow(total[row]);
        AsyncCopy.Wait(0);
        Group.Barrier();
        int firstRow = (((block.FirstToken * scopeCount) + block.Scope) * headCount) + head;
        int rowStride = scopeCount * headCount;
        bool isOutside = false;
        if (isWide)
        {
            isOutside = Store(memory, output, logSums, block, firstRow, rowStride, queryColumns, headVectors,
                storesLogSums, best, total, sums);
        }
        else
        {
            isOutside = MergeAndStore(memory, statistics, output, logSums, block, firstRow, rowStride, queryColumns,
                headVectors, storesLogSums, best, total, sums);
        }

        // Whoever comes last writes the same.
        if (isOutside)
            outside[0] = 1;
    }

    /// <summary>What this lane's queries see; of a warp that has none, the last one.</summary>
    private static LaneScope ScopeOf(ArrayView<ScopeBlock> blocks, ArrayView<AxisWindow> windows,
        ArrayView<float> scales)
    {
        var block = ScopeBlock.Load(blocks, Grid.IdxX);
        int first = (block.QueryCount > Unit ? Group.IdxX / 32 * Unit : 0) + (Group.IdxX % 32 / 4);
        int upper = IntrinsicMath.Min(first, block.QueryCount - 1);
        int lower = IntrinsicMath.Min(first + 8, block.QueryCount - 1);
        return LaneScope.Load(windows, scales, block, Grid.IdxY, block.RowOf(upper), block.ColumnOf(upper),
            block.RowOf(lower), block.ColumnOf(lower));
    }

    /// <summary>Starts to copy the tile's queries, rounded up to whole units by repeating the last one.</summary>
    private static void CopyQueries(uint to, ArrayView<UInt4> queries, ScopeBlock block, int queryUnits, int head,
        int headCount, int headVectors, int queryColumns)
    {
        for (int row = (Group.IdxX / 32 * KeyCopies<THead>.RowsAtOnce) + KeyCopies<THead>.LaneRow;
            row < queryUnits * Unit; row += WarpCount * KeyCopies<THead>.RowsAtOnce)
        {
            int index = block.IndexOf(IntrinsicMath.Min(row, block.QueryCount - 1), queryColumns);
            int start = block.QueryStart + (((index * headCount) + head) * headVectors) + KeyCopies<THead>.LaneChunk;
            uint rowTo = to + (uint)((row * RowBytes) + (KeyCopies<THead>.LaneChunk * SwizzledTile.ChunkBytes));
            for (int group = 0; group < KeyCopies<THead>.LaneChunks; group++)
            {
                int chunk = group * KeyCopies<THead>.ChunksAtOnce;
                AsyncCopy.StartOrZero(rowTo, chunk * SwizzledTile.ChunkBytes, ref queries[start],
                    chunk * SwizzledTile.ChunkBytes, Utilities.Select(
                        chunk + KeyCopies<THead>.LaneChunk < headVectors, SwizzledTile.ChunkBytes, 0));
            }
        }
    }

    /// <summary>A tile of keys, of which the warp's queries see all or some.</summary>
    private static void Step<TMask>(int tile, KeyCopies<THead> copies, uint keysTo, ArrayView<UInt4> keys,
        ArrayView<UInt4> values, ArrayView<int> places, int[] laneRows, int[] starts, int laneKeys,
        UInt4[] left, uint keyRows, uint valueRows, LaneScope scope, float[] best, float[] total, Float4[] sums)
        where TMask : struct, IScopeMask
    {
        // This tile's keys are there, and nobody reads the last one's values any more.
        AsyncCopy.Wait(0);
        Group.Barrier();
        copies.Start(keysTo + (uint)TileBytes, values, starts);
        copies.ReadPlaces(places, tile + 1, laneRows);
        var weights = new Float4[2 * TileUnits];
        Multiply(weights, TileUnits, left, keyRows);
        TMask.Apply(weights, TileUnits, places, laneKeys + (tile * TileKeys), scope);
        OnlineSoftmax.Weigh(weights, TileUnits, best, total, sums, THead.Chunks);
        copies.Find(laneRows, starts);
        AsyncCopy.Wait(0);
        Group.Barrier();
        copies.Start(keysTo, keys, starts);
        AddValues(sums, weights, TileUnits, valueRows);
    }

    /// <summary>The warp's own unit of a tile of keys, which it copied itself.</summary>
    private static void StepAlone<TMask>(int tile, KeyCopies<THead> copies, uint keysTo, ArrayView<UInt4> keys,
        ArrayView<UInt4> values, ArrayView<int> places, int[] laneRows, int[] starts, int laneKeys,
        UInt4[] left, uint keyRows, uint valueRows, LaneScope scope, float[] best, float[] total, Float4[] sums)
        where TMask : struct, IScopeMask
    {
        // The keys are there, the values perhaps not yet.
        AsyncCopy.Wait(1);
        Warp.Barrier();
        copies.ReadPlaces(places, tile + 1, laneRows);
        var weights = new Float4[2];
        Multiply(weights, 1, left, keyRows);
        Warp.Barrier();
        copies.Find(laneRows, starts);
        copies.Start(keysTo, keys, starts);
        TMask.Apply(weights, 1, places, laneKeys + (tile * TileKeys), scope);
        OnlineSoftmax.Weigh(weights, 1, best, total, sums, THead.Chunks);
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
            UInt4 fragment = OnlineSoftmax.Fragment<TElement>(weights, unit);
            for (int chunk = 0; chunk < THead.Chunks; chunk += 2)
            {
                UInt4 right = LoadMatrix.X4Transposed(valueRows,
                    (unit * UnitBytes) + (chunk * SwizzledTile.ChunkBytes));
                sums[chunk] = TElement.AddProduct(sums[chunk], fragment, right.X, right.Y);
                sums[chunk + 1] = TElement.AddProduct(sums[chunk + 1], fragment, right.Z, right.W);
            }
        }
    }

    /// <summary>Stores the results of a warp, which has queries of its own, through its own rows of shared
    /// memory.</summary>
    /// <returns>Whether one is outside the element's range.</returns>
    private static bool Store(ArrayView<UInt4> memory, ArrayView<UInt4> output, ArrayView<float> logSums,
        ScopeBlock block, int firstRow, int rowStride, int queryColumns, int headVectors, int storesLogSums,
        float[] best, float[] total, Float4[] sums)
    {
        int lane = Group.IdxX % 32;
        int warpRow = Group.IdxX / 32 * Unit;
        int upperQuery = warpRow + (lane / 4);
        bool isUpper = upperQuery < block.QueryCount;
        bool isLower = upperQuery + 8 < block.QueryCount;
        ArrayView<uint> pairs = memory.Cast<uint>();
        float upperFactor = Utilities.Select(isUpper, PtxMath.Reciprocal(total[0]), 0f);
        float lowerFactor = Utilities.Select(isLower, PtxMath.Reciprocal(total[1]), 0f);
        bool isOutside = false;
        for (int chunk = 0; chunk < THead.Chunks; chunk++)
        {
            var value = new Float4(sums[chunk].X * upperFactor, sums[chunk].Y * upperFactor,
                sums[chunk].Z * lowerFactor, sums[chunk].W * lowerFactor);
            isOutside |= TElement.IsOutside(value);
            int place = (((upperQuery * RowChunks) + chunk) * 4) + (lane % 4);
            pairs[place] = TElement.Pack(value.X, value.Y);
            pairs[place + (8 * RowChunks * 4)] = TElement.Pack(value.Z, value.W);
        }

        if (storesLogSums != 0 & lane % 4 == 0)
        {
            if (isUpper)
            {
                logSums[firstRow + (block.IndexOf(upperQuery, queryColumns) * rowStride)]
                    = best[0] + PtxMath.Log2(total[0]);
            }

            if (isLower)
            {
                logSums[firstRow + (block.IndexOf(upperQuery + 8, queryColumns) * rowStride)]
                    = best[1] + PtxMath.Log2(total[1]);
            }
        }

        Warp.Barrier();
        for (int part = 0; part < KeyCopies<THead>.LaneRows; part++)
        {
            int query = warpRow + (part * KeyCopies<THead>.RowsAtOnce) + KeyCopies<THead>.LaneRow;
            int row = (firstRow + (block.IndexOf(query, queryColumns) * rowStride)) * headVectors;
            for (int group = 0; group < KeyCopies<THead>.LaneChunks; group++)
            {
                int chunk = (group * KeyCopies<THead>.ChunksAtOnce) + KeyCopies<THead>.LaneChunk;
                if (query < block.QueryCount & chunk < headVectors)
                    output[row + chunk] = memory[(query * RowChunks) + chunk];
            }
        }

        return isOutside;
    }

    /// <summary>Merges the warps' sums of the same queries and stores the results.</summary>
    /// <remarks>Rows of the sums are an even number of 16-byte groups, and odd only by that, beyond a multiple of 8: so
    /// half a warp stores pairs of channels of four rows in all banks once. A result is two groups of four channels, of
    /// which every other four rows read the second one first, so that eight rows meet all banks once too.</remarks>
    private static bool MergeAndStore(ArrayView<UInt4> memory, ArrayView<float> statistics, ArrayView<UInt4> output,
        ArrayView<float> logSums, ScopeBlock block, int firstRow, int rowStride, int queryColumns, int headVectors,
        int storesLogSums, float[] best, float[] total, Float4[] sums)
    {
        const int TotalStart = WarpCount * Unit;
        int rowGroups = 2 * RowChunks;
        int lane = Group.IdxX % 32;
        int warp = Group.IdxX / 32;
        int upperRow = (warp * Unit) + (lane / 4);
        ArrayView<UInt2> pairs = memory.Cast<UInt2>();
        for (int chunk = 0; chunk < THead.Chunks; chunk++)
        {
            int place = (((upperRow * rowGroups) + (2 * chunk)) * 2) + (lane % 4);
            pairs[place] = new UInt2(Interop.FloatAsInt(sums[chunk].X), Interop.FloatAsInt(sums[chunk].Y));
            pairs[place + (8 * rowGroups * 2)]
                = new UInt2(Interop.FloatAsInt(sums[chunk].Z), Interop.FloatAsInt(sums[chunk].W));
        }

        if (lane % 4 == 0)
        {
            statistics[upperRow] = best[0];
            statistics[upperRow + 8] = best[1];
            statistics[TotalStart + upperRow] = total[0];
            statistics[TotalStart + upperRow + 8] = total[1];
        }

        Group.Barrier();
        bool isOutside = false;
        ArrayView<Float4> merged = memory.Cast<Float4>();
        for (int part = warp; part < KeyCopies<THead>.LaneRows * KeyCopies<THead>.LaneChunks; part += WarpCount)
        {
            int query = (part % KeyCopies<THead>.LaneRows * KeyCopies<THead>.RowsAtOnce) + KeyCopies<THead>.LaneRow;
            int chunk = (part / KeyCopies<THead>.LaneRows * KeyCopies<THead>.ChunksAtOnce)
                + KeyCopies<THead>.LaneChunk;
            float most = statistics[query];
            for (int other = 1; other < WarpCount; other++)
                most = IntrinsicMath.Max(most, statistics[(other * Unit) + query]);
            int order = (query >> 2) & 1;
            var first = new Float4(0, 0, 0, 0);
            var second = new Float4(0, 0, 0, 0);
            float sum = 0;
            for (int other = 0; other < WarpCount; other++)
            {
                float factor = PtxMath.Exp2(statistics[(other * Unit) + query] - most);
                int group = (((other * Unit) + query) * rowGroups) + (2 * IntrinsicMath.Min(chunk, headVectors - 1));
                first = first.PlusProduct(factor, merged[group + order]);
                second = second.PlusProduct(factor, merged[group + 1 - order]);
                sum = PtxMath.Fma(factor, statistics[TotalStart + (other * Unit) + query], sum);
            }

            if (query < block.QueryCount & chunk < headVectors)
            {
                float scale = PtxMath.Reciprocal(sum);
                Float4 left = Select(order == 0, first, second).Times(scale);
                Float4 right = Select(order == 0, second, first).Times(scale);
                int row = firstRow + (block.IndexOf(query, queryColumns) * rowStride);
                output[(row * headVectors) + chunk] = new UInt4(TElement.Pack(left.X, left.Y),
                    TElement.Pack(left.Z, left.W), TElement.Pack(right.X, right.Y), TElement.Pack(right.Z, right.W));
                isOutside |= TElement.IsOutside(left) | TElement.IsOutside(right);
                if (storesLogSums != 0 & chunk == 0)
                    logSums[row] = most + PtxMath.Log2(sum);
            }
        }

        return isOutside;
    }

    private static Float4 Select(bool takeFirst, Float4 first, Float4 second)
        => new(Utilities.Select(takeFirst, first.X, second.X), Utilities.Select(takeFirst, first.Y, second.Y),
            Utilities.Select(takeFirst, first.Z, second.Z), Utilities.Select(takeFirst, first.W, second.W));
}
