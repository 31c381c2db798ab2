using ILGPU;
using MsResampler.Kernels.Norm;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gate;

/// <summary>The gate from the products of its hidden layer on, the weighted sum of the branches and the final layer
/// normalisation, for 16-bit branches and computed in float32. One block per token.</summary>
/// <remarks>
/// <para>Branches are read once: their weighted sum stays in registers until its mean and deviation are known. The
/// branches of the first scopes are loaded while the gate is computed. The hidden layer is given as one product per
/// scope, because a product over all scopes would have too few tiles for a device. The products are added in the
/// order of the scopes.</para>
/// <para>The order of every sum depends only on the extents of the model. (ILGPU's group reductions add the sums of
/// warps by atomics, in any order.)</para>
/// <para>Grid: x = tokens. Block: see <see cref="BlockSizeFor"/>. Shared memory: 21 KiB.</para>
/// </remarks>
/// <typeparam name="TElement">The element type of branches and results.</typeparam>
internal static class FusionGateBits16<TElement>
    where TElement : struct, IBits16Element
{
    /// <summary>Threads of the largest block.</summary>
    public const int MaxBlockSize = 32 * MaxWarps;

    /// <summary>The largest number of channels, D.</summary>
    public const int MaxWidth = MaxBlockSize * ThreadQuads * 4;

    /// <summary>The largest number of vectors of four floats in the hidden layer.</summary>
    public const int MaxHiddenVectors = 1024;

    /// <summary>The largest number of weights of a token, S·R.</summary>
    public const int MaxGateCount = 1024;

    private const int MaxWarps = 32;

    /// <summary>Quads of channels that a thread computes.</summary>
    private const int ThreadQuads = 2;

    /// <summary>Scopes whose branches a thread loads at once.</summary>
    private const int ScopesAtOnce = 4;

    /// <summary>Threads of a block: as few as can hold all channels, and at least four warps for the gate.</summary>
    /// <param name="width">D.</param>
    public static int BlockSizeFor(int width)
        => 32 * Math.Max(4, (Bits16Quad<TElement>.CountOf(width) + (32 * ThreadQuads) - 1) / (32 * ThreadQuads));

    /// <summary>Fuses tokens. Rows of 16-bit elements are padded to whole vectors of eight with zeros.</summary>
    /// <param name="partials">The products of fc1, [S, tokens, G], one per scope.</param>
    /// <param name="hiddenBias">The bias of fc1, [G].</param>
    /// <param name="weight">The weight of fc2, [S·R, G].</param>
    /// <param name="bias">The bias of fc2, [S·R].</param>
    /// <param name="branches">The branches of all scopes, [tokens, S, D] in quads.</param>
    /// <param name="normWeight">The weight of ln_post, [D], padded like a row.</param>
    /// <param name="normBias">The bias of ln_post, [D], padded like a row.</param>
    /// <param name="gates">Receives the gate's weights, [tokens, S·R].</param>
    /// <param name="fused">Receives the normalised tokens, [tokens, D] in quads.</param>
    /// <param name="shape">The extents.</param>
    public static void Run(ArrayView<Float4> partials, ArrayView<Float4> hiddenBias, ArrayView<Float4> weight,
        ArrayView<float> bias, ArrayView<UInt2> branches, ArrayView<Float4> normWeight, ArrayView<Float4> normBias,
        ArrayView<float> gates, ArrayView<UInt2> fused, FusionGateShape shape)
    {
        ArrayView<Float4> hidden = SharedMemory.Allocate<Float4>(MaxHiddenVectors);
        ArrayView<float> weights = SharedMemory.Allocate<float>(MaxGateCount);
        ArrayView<float> warpSums = SharedMemory.Allocate<float>(4 * MaxWarps);
        ArrayView<float> pivots = SharedMemory.Allocate<float>(1);
        int token = Grid.IdxX;
        int gateCount = shape.ScopeCount * shape.GateGroupCount;
        int quadCount = Bits16Quad<TElement>.CountOf(shape.Width);
        var values = new UInt2[ScopesAtOnce * ThreadQuads];
        Load(values, branches, token * shape.ScopeCount, 0, shape.ScopeCount, 2 * shape.Stride, quadCount);
        for (int vector = Group.IdxX; vector < shape.HiddenVectors; vector += Group.DimX)
        {
            Float4 sum = hiddenBias[vector];
            for (int scope = 0; scope < shape.ScopeCount; scope++)
                sum = sum.Plus(partials[(((scope * shape.TokenCount) + token) * shape.HiddenVectors) + vector]);
            hidden[vector] = new Float4(Gelu.Of(sum.X), Gelu.Of(sum.Y), Gelu.Of(sum.Z), Gelu.Of(sum.W));
        }

        Group.Barrier();
        for (int logit = Warp.WarpIdx; logit < gateCount; logit += Group.DimX / Warp.WarpSize)
        {
            float sum = 0;
            for (int vector = Warp.LaneIdx; vector < shape.HiddenVectors; vector += Warp.WarpSize)
                sum = VectorOperations.Dot(hidden[vector], weight[(logit * shape.HiddenVectors) + vector], sum);
            sum = RowStatistics.Sum(sum);
            if (Warp.LaneIdx == 0)
                weights[logit] = sum + bias[logit];
        }

        Group.Barrier();
        for (int gateGroup = Group.IdxX; gateGroup < shape.GateGroupCount; gateGroup += Group.DimX)
            ScopeSoftmax.Apply(weights, gateGroup, shape.ScopeCount, shape.GateGroupCount);
        Group.Barrier();
        for (int gate = Group.IdxX; gate < gateCount; gate += Group.DimX)
            gates[(token * gateCount) + gate] = weights[gate];

        var places = new int[4 * ThreadQuads];
        var sums = new Float4[ThreadQuads];
        for (int index = 0; index < ThreadQuads; index++)
        {
            FindGates(places, 4 * index, 4 * (Group.IdxX + (index * Group.DimX)), shape.Width / shape.GateGroupCount,
                shape.GateGroupCount);
            sums[index] = new Float4(0, 0, 0, 0);
        }

        for (int first = 0; first < shape.ScopeCount; first += ScopesAtOnce)
        {
            for (int at = 0; at < ScopesAtOnce * ThreadQuads; at++)
            {
                int index = at % ThreadQuads;
                // Scopes beyond the last one have zeros as branches.
                int gate = IntrinsicMath.Min(first + (at / ThreadQuads), shape.ScopeCount - 1) * shape.GateGroupCount;
                sums[index] = sums[index].PlusProduct(
                    new Float4(weights[gate + places[4 * index]], weights[gate + places[(4 * index) + 1]],
                        weights[gate + places[(4 * index) + 2]], weights[gate + places[(4 * index) + 3]]),
                    Bits16Quad<TElement>.Unpack(values[at]));
            }

            Load(values, branches, token * shape.ScopeCount, first + ScopesAtOnce, shape.ScopeCount, 2 * shape.Stride,
                quadCount);
        }

        if (Group.IdxX == 0)
            pivots[0] = sums[0].X;
        Group.Barrier();
        float pivot = pivots[0];
        float magnitude = 0;
        Float4 total = default;
        for (int index = 0; index < ThreadQuads; index++)
        {
            int remaining = shape.Width - (4 * (Group.IdxX + (index * Group.DimX)));
            magnitude = IntrinsicMath.Max(magnitude, sums[index].Within(remaining).Magnitude());
            total = total.Plus(RowStatistics.ForSum(sums[index], pivot).Within(remaining));
        }

        float sumOfWarp = RowStatistics.Sum(total.Sum());
        float magnitudeOfWarp = RowStatistics.Max(magnitude);
        if (Warp.LaneIdx == 0)
        {
            warpSums[Warp.WarpIdx] = sumOfWarp;
            warpSums[MaxWarps + Warp.WarpIdx] = magnitudeOfWarp;
        }

        Group.Barrier();
        RowStatistics statistics = RowStatistics.Centre(RowStatistics.Max(OfWarps(warpSums, MaxWarps)),
            RowStatistics.Sum(OfWarps(warpSums, 0)), pivot, shape.Width, shape.RootEpsilon);
        Float4 shifts = default;
        Float4 squares = default;
        for (int index = 0; index < ThreadQuads; index++)
        {
            Float4 difference = statistics.Difference(sums[index])
                .Within(shape.Width - (4 * (Group.IdxX + (index * Group.DimX))));
            shifts = shifts.Plus(difference);
            squares = squares.PlusProduct(difference, difference);
        }

        float shiftOfWarp = RowStatistics.Sum(shifts.Sum());
        float squaresOfWarp = RowStatistics.Sum(squares.Sum());
        if (Warp.LaneIdx == 0)
        {
            warpSums[(2 * MaxWarps) + Warp.WarpIdx] = shiftOfWarp;
            warpSums[(3 * MaxWarps) + Warp.WarpIdx] = squaresOfWarp;
        }

        Group.Barrier();
        statistics = statistics.WithVariance(RowStatistics.Sum(OfWarps(warpSums, 2 * MaxWarps)),
            RowStatistics.Sum(OfWarps(warpSums, 3 * MaxWarps)), shape.Width, shape.RootEpsilon);
        for (int index = 0; index < ThreadQuads; index++)
        {
            int quad = Group.IdxX + (index * Group.DimX);
            if (quad < quadCount)
            {
                Float4 normal = statistics.Apply(sums[index], normWeight[quad], normBias[quad])
                    .Within(shape.Width - (4 * quad));
                fused[(2 * token * shape.Stride) + quad] = Bits16Quad<TElement>.Pack(normal);
            }
        }
    }

    /// <summary>Loads this thread's channels of some scopes; zeros beyond the last scope or channel.</summary>
    /// <param name="values">Receives the channels, [scopes, quads].</param>
    /// <param name="branches">The branches.</param>
    /// <param name="firstRow">The row of the token's first scope.</param>
    /// <param name="firstScope">The first scope to load.</param>
    /// <param name="scopeCount">S.</param>
    /// <param name="stride">Quads from one row to the next.</param>
    /// <param name="quadCount">Quads in a row.</param>
    private static void Load(UInt2[] values, ArrayView<UInt2> branches, int firstRow, int firstScope, int scopeCount,
        int stride, int quadCount)
    {
        for (int at = 0; at < ScopesAtOnce * ThreadQuads; at++)
        {
            int scope = firstScope + (at / ThreadQuads);
            int quad = Group.IdxX + (at % ThreadQuads * Group.DimX);
            values[at] = new UInt2(0, 0);
            if (scope < scopeCount & quad < quadCount)
                values[at] = branches[((firstRow + scope) * stride) + quad];
        }
    }

    /// <summary>Finds the gate groups of four consecutive channels; the last group for padding channels.</summary>
    private static void FindGates(int[] places, int first, int channel, int groupWidth, int groupCount)
    {
        int place = channel / groupWidth;
        int inGroup = channel - (place * groupWidth);
        for (int index = 0; index < 4; index++)
        {
            places[first + index] = IntrinsicMath.Min(place, groupCount - 1);
            inGroup++;
            place = inGroup == groupWidth ? place + 1 : place;
            inGroup = inGroup == groupWidth ? 0 : inGroup;
        }
    }

    /// <summary>The number that warp l of the block stored, where l is the index of this lane; 0 if there is no such
    /// warp.</summary>
    /// <param name="warpSums">The numbers of the warps.</param>
    /// <param name="first">The index of the first number.</param>
    private static float OfWarps(ArrayView<float> warpSums, int first)
    {
        float value = 0;
        if (Warp.LaneIdx < Group.DimX / Warp.WarpSize)
            value = warpSums[first + Warp.LaneIdx];
        return value;
    }
}
