using ILGPU;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Attention;

/// <summary>The attention of groups of several frames, from that of their frames. One softmax over the keys of all
/// frames is the sum of the frames' own results, each weighted by the share of its keys in the softmax: <c>2^(l −
/// max)</c> over the sum of these, where l is the frame's log-sum plus its offset.</summary>
/// <remarks>
/// <para>Each thread computes one vector of 16 bytes of a token. It adds the frames in order, in float32, so that the
/// bits depend on the group alone. The weights of a frame are computed by every thread of a head: this costs less than
/// exchanging them, and log-sums and offsets stay in the cache. A NaN in any frame makes the token NaN, also where the
/// frame's share is 0.</para>
/// <para>Only differences of offsets have an effect. Each is taken from the largest one first, so that large offsets
/// do not take precision from the log-sums.</para>
/// <para>Grid: x = tokens of the groups, y = runs of <see cref="BlockSize"/> vectors of a token. Block: <see
/// cref="BlockSize"/> threads. No shared memory.</para>
/// </remarks>
/// <typeparam name="TVector">The storage of a vector.</typeparam>
/// <typeparam name="TRow">Its elements.</typeparam>
internal static class MergeFrames<TVector, TRow>
    where TVector : unmanaged
    where TRow : struct, IRowVector<TVector>
{
    /// <summary>Threads of a block.</summary>
    public const int BlockSize = 128;

    /// <summary>Frames of which a thread reads a vector before it adds them.</summary>
    private const int StepFrames = 4;

    /// <summary>Merges groups.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="offsetStarts">For each frame of a group, the index of its offsets, or −1 if they are 0.</param>
    /// <param name="offsets">Offsets of frames, [queries, scopes, heads] each.</param>
    /// <param name="logSums">log₂ Σ 2^logit, [rows, scopes, heads].</param>
    /// <param name="rows">Weighted sums, [rows, scopes, heads, d/16 bytes]: reads partial rows and receives
    /// tokens.</param>
    /// <param name="shape">The extents; <see cref="AttentionShape.KeyScopeCount"/> and
    /// <see cref="AttentionShape.QueryColumns"/> are not used.</param>
    /// <param name="queryCount">Queries.</param>
    public static void Run(ArrayView<MergedGroup> groups, ArrayView<int> offsetStarts, ArrayView<FrameOffset> offsets,
        ArrayView<float> logSums, ArrayView<TVector> rows, AttentionShape shape, int queryCount)
    {
        int headCount = shape.ScopeCount * shape.HeadCount;
        int rowVectors = headCount * shape.HeadVectors;
        int vector = (Grid.IdxY * BlockSize) + Group.IdxX;
        if (vector >= rowVectors)
            return;
        MergedGroup group = groups[Grid.IdxX / queryCount];
        int query = Grid.IdxX % queryCount;
        int head = vector / shape.HeadVectors;
        int offsetPlace = (query * headCount) + head;
        int logSumPlace = ((group.FirstPart + query) * headCount) + head;
        int logSumStride = queryCount * headCount;

        float largest = float.MinValue;
        for (int frame = 0; frame < group.FrameCount; frame++)
        {
            FrameOffset offset = Load(offsets, offsetStarts[group.FirstFrame + frame], offsetPlace);
            largest = IntrinsicMath.Max(largest, offset.High);
        }

        OnlineSoftmax state = OnlineSoftmax.Empty;
        for (int frame = 0; frame < group.FrameCount; frame++)
        {
            float logSum = logSums[logSumPlace + (frame * logSumStride)]
                + Difference(Load(offsets, offsetStarts[group.FirstFrame + frame], offsetPlace), largest);
            float max = IntrinsicMath.Max(state.Max, logSum);
            state = state.Rescaled(max, state.ScaleTo(max), OnlineSoftmax.WeightOf(logSum, max));
        }

        var sums = new Float4[TRow.QuadCount];
        for (int quad = 0; quad < TRow.QuadCount; quad++)
            sums[quad] = new Float4(0, 0, 0, 0);
        float normaliser = state.Normaliser;
        for (int first = 0; first < group.FrameCount; first += StepFrames)
        {
            var shares = new float[StepFrames];
            var parts = new TVector[StepFrames];
            for (int step = 0; step < StepFrames; step++)
            {
                int frame = first + step;
                shares[step] = 0;
                parts[step] = default;
                if (frame < group.FrameCount)
                {
                    parts[step] = rows[((group.FirstPart + (frame * queryCount) + query) * rowVectors) + vector];
                    float logSum = logSums[logSumPlace + (frame * logSumStride)]
                        + Difference(Load(offsets, offsetStarts[group.FirstFrame + frame], offsetPlace), largest);
                    shares[step] = OnlineSoftmax.WeightOf(logSum, state.Max) * normaliser;
                }
            }

            for (int step = 0; step < StepFrames; step++)
            {
                for (int quad = 0; quad < TRow.QuadCount; quad++)
                    sums[quad] = sums[quad].PlusProduct(shares[step], TRow.Quad(parts[step], quad));
            }
        }

        rows[((group.FirstToken + query) * rowVectors) + vector] = TRow.Join(sums);
    }

    private static FrameOffset Load(ArrayView<FrameOffset> offsets, int start, int place)
    {
        FrameOffset offset = default;
        if (start >= 0)
            offset = offsets[start + place];
        return offset;
    }

    private static float Difference(FrameOffset offset, float largest) => (offset.High - largest) + offset.Low;
}
