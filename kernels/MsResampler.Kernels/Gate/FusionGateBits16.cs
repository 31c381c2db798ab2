using ILGPU;
using MsResampler.Kernels.Norm;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Gate;

/// <summary>The gate from its hidden layer's products on, the weighted sum of the branches and the final layer
/// normalisation, of 16-bit branches and in float32 between reading and storing. One block a token.</summary>
/// <remarks>
/// <para>Branches are read once: their weighted sum waits in registers for its mean and deviation. Those of the first
/// scopes are on their way while the gate is computed. The hidden layer comes as one product for each scope, because a
/// product of all scopes would have too few tiles for a device; they are added in the order of the scopes.</para>
/// <para>Every sum is in an order that depends on the extents of the model alone. (ILGPU's own group reductions add up
/// the warps' sums by atomics, in the order in which warps come.)</para>
/// <para>Grid: x = tokens; threads as <see cref="GroupSizeFor"/> says. Shared memory: 21 KiB.</para>
/// </remarks>
/// <typeparam name="TElement">The type of branches and results.</typeparam>
internal static class FusionGateBits16<TElement>
    where TElement : struct, IBits16Element
{
    /// <summary>Threads of the largest block.</summary>
    public const int MaxGroupSize = 32 * MaxWarps;

    /// <summary>The largest D.</summary>
    public const int MaxWidth = MaxGroupSize * ThreadVectors * 4;

    /// <summary>The most groups of four of the hidden layer.</summary>
    public const int MaxHiddenVectors = 1024;

    /// <summary>The most weights of a token, S·R.</summary>
    public const int MaxGateCount = 1024;

    private const int MaxWarps = 32;

    /// <summary>Groups of four channels that a thread has.</summary>
    private const int ThreadVectors = 2;

    /// <summary>Scopes whose branches a thread reads at once.</summary>
    private const int ScopesAtOnce = 4;

    /// <summary>Threads of a block: as few as have all channels, but four warps for the gate.</summary>
    /// <param name="width">D.</param>
    public static int GroupSizeFor(int width)
        => 32 * Math.Max(4, (Bits16Quad<TElement>.CountOf(width) + (32 * ThreadVectors) - 1) / (32 * ThreadVectors));

    /// <param name="partials">Products of fc1, [S, tokens, G], one for each scope.</param>
    /// <param name="hiddenBias">fc1's bias, [G].</param>
    /// <param name="weight">fc2, [S·R, G].</param>
    /// <param name="bias">fc2's bias, [S·R].</param>
    /// <param name="branches">O of all scopes, [tokens, S, D], rows filled up to whole groups of eight with
    /// zeros.</param>
    /// <param name="normWeight">ln_post's weight, [D], filled up to a whole group of eight.</param>
    /// <param name="normBias">ln_post's bias, likewise.</param>
    /// <param name="gates">Receives the gate's weights, [tokens, S·R].</param>
    /// <param name="fused">Receives normalised tokens, [tokens, D], filled up likewise.</param>
    /// <param name="tokenCount">Tokens.</param>
    /// <param name="hiddenVectors">Groups of four of the hidden layer; its surplus elements are 0 in partials, bias and
    /// weight.</param>
    /// <param name="scopeCount">S.</param>
    /// <param name="groupCount">R.</param>
    /// <param name="width">D.</param>
    /// <param name="stride">Groups of eight from one scope's branch to the next, and from one fused token to the
    /// next.</param>
    /// <param name="rootEpsilon">√ε.</param>
    public static void Run(ArrayView<Float4> partials, ArrayView<Float4> hiddenBias, ArrayView<Float4> weight,
        ArrayView<float> bias, ArrayView<UInt2> branches, ArrayView<Float4> normWeight, ArrayView<Float4> normBias,
        ArrayView<float> gates, ArrayView<UInt2> fused, int tokenCount, int hiddenVectors,
        int scopeCount, int groupCount, int width, int stride, float rootEpsilon)
    {
        ArrayView<Float4> hidden = SharedMemory.Allocate<Float4>(MaxHiddenVectors);
        ArrayView<float> weights = SharedMemory.Allocate<float>(MaxGateCount);
        ArrayView<float> warpSums = SharedMemory.Allocate<float>(4 * MaxWarps);
        ArrayView<float> pivots = SharedMemory.Allocate<float>(1);
        int token = Grid.IdxX;
        int gateCount = scopeCount * groupCount;
        int vectorCount = Bits16Quad<TElement>.CountOf(width);
        var values = new UInt2[ScopesAtOnce * ThreadVectors];
        Load(values, branches, token * scopeCount, 0, scopeCount, 2 * stride, vectorCount);
        for (int vector = Group.IdxX; vector < hiddenVectors; vector += Group.DimX)
        {
            Float4 sum = hiddenBias[vector];
            for (int scope = 0; scope < scopeCount; scope++)
                sum = sum.Plus(partials[(((scope * tokenCount) + token) * hiddenVectors) + vector]);
            hidden[vector] = new Float4(Gelu.Of(sum.X), Gelu.Of(sum.Y), Gelu.Of(sum.Z), Gelu.Of(sum.W));
        }

        Group.Barrier();
        for (int logit = Warp.WarpIdx; logit < gateCount; logit += Group.DimX / Warp.WarpSize)
        {
            float sum = 0;
            for (int vector = Warp.LaneIdx; vector < hiddenVectors; vector += Warp.WarpSize)
                sum = VectorOperations.Dot(hidden[vector], weight[(logit * hiddenVectors) + vector], sum);
            sum = RowStatistics.Sum(sum);
            if (Warp.LaneIdx == 0)
                weights[logit] = sum + bias[logit];
        }

        Group.Barrier();
        for (int group = Group.IdxX; group < groupCount; group += Group.DimX)
            ScopeSoftmax.Apply(weights, group, scopeCount, groupCount);
        Group.Barrier();
        for (int gate = Group.IdxX; gate < gateCount; gate += Group.DimX)
            gates[(token * gateCount) + gate] = weights[gate];

        var places = new int[4 * ThreadVectors];
        var sums = new Float4[ThreadVectors];
        for (int index = 0; index < ThreadVectors; index++)
        {
            FindGates(places, 4 * index, 4 * (Group.IdxX + (index * Group.DimX)), width / groupCount, groupCount);
            sums[index] = new Float4(0, 0, 0, 0);
        }

        for (int first = 0; first < scopeCount; first += ScopesAtOnce)
        {
            for (int at = 0; at < ScopesAtOnce * ThreadVectors; at++)
            {
                int index = at % ThreadVectors;
                // The branches of scopes past the last one are zeros.
                int gate = IntrinsicMath.Min(first + (at / ThreadVectors), scopeCount - 1) * groupCount;
                sums[index] = sums[index].PlusProduct(
                    new Float4(weights[gate + places[4 * index]], weights[gate + places[(4 * index) + 1]],
                        weights[gate + places[(4 * index) + 2]], weights[gate + places[(4 * index) + 3]]),
                    Bits16Quad<TElement>.Unpack(values[at]));
            }

            Load(values, branches, token * scopeCount, first + ScopesAtOnce, scopeCount, 2 * stride, vectorCount);
        }

        if (Group.IdxX == 0)
            pivots[0] = sums[0].X;
        Group.Barrier();
        float pivot = pivots[0];
        float magnitude = 0;
        Float4 total = default;
        for (int index = 0; index < ThreadVectors; index++)
        {
            int remaining = width - (4 * (Group.IdxX + (index * Group.DimX)));
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
            RowStatistics.Sum(OfWarps(warpSums, 0)), pivot, width, rootEpsilon);
        Float4 shifts = default;
        Float4 squares = default;
        for (int index = 0; index < ThreadVectors; index++)
        {
            Float4 difference = statistics.Difference(sums[index])
                .Within(width - (4 * (Group.IdxX + (index * Group.DimX))));
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
            RowStatistics.Sum(OfWarps(warpSums, 3 * MaxWarps)), width, rootEpsilon);
        for (int index = 0; index < ThreadVectors; index++)
        {
            int vector = Group.IdxX + (index * Group.DimX);
            if (vector < vectorCount)
            {
                Float4 normal = statistics.Apply(sums[index], normWeight[vector], normBias[vector])
                    .Within(width - (4 * vector));
                fused[(2 * token * stride) + vector] = Bits16Quad<TElement>.Pack(normal);
            }
        }
    }

    /// <summary>Loads this thread's channels of some scopes; zeros where there are none.</summary>
    /// <param name="values">Receives them, [scopes, vectors].</param>
    /// <param name="branches">The branches.</param>
    /// <param name="firstRow">The row of the token's first scope.</param>
    /// <param name="firstScope">The first of the scopes.</param>
    /// <param name="scopeCount">S.</param>
    /// <param name="stride">Groups of four from one row to the next.</param>
    /// <param name="vectorCount">Groups of four of a row.</param>
    private static void Load(UInt2[] values, ArrayView<UInt2> branches, int firstRow, int firstScope, int scopeCount,
        int stride, int vectorCount)
    {
        for (int at = 0; at < ScopesAtOnce * ThreadVectors; at++)
        {
            int scope = firstScope + (at / ThreadVectors);
            int vector = Group.IdxX + (at % ThreadVectors * Group.DimX);
            values[at] = new UInt2(0, 0);
            if (scope < scopeCount & vector < vectorCount)
                values[at] = branches[((firstRow + scope) * stride) + vector];
        }
    }

    /// <summary>Finds of four channels in a row the groups that they are in; past the last channel, the last
    /// group.</summary>
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

    /// <summary>What this lane's warp of the block has; 0 where there is none.</summary>
    /// <param name="warpSums">A number for each warp.</param>
    /// <param name="first">The first of them.</param>
    private static float OfWarps(ArrayView<float> warpSums, int first)
    {
        float value = 0;
        if (Warp.LaneIdx < Group.DimX / Warp.WarpSize)
            value = warpSums[first + Warp.LaneIdx];
        return value;
    }
}
