using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>Merges the attention of the frames of a group into one softmax, as the splits of flash-decoding are merged
/// (Dao and others, 2023). The share of a frame in a query's softmax is its sum of 2^logit divided by the sum over all
/// frames; the output is the sum of the frames' outputs, weighted by their shares.</summary>
internal static unsafe class FrameMerge<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Queries of one task.</summary>
    public const int QueryCount = 4;

    /// <summary>Merges the outputs of a block of queries of one scope.</summary>
    /// <param name="stack">The groups.</param>
    /// <param name="group">The group.</param>
    /// <param name="scope">The scope.</param>
    /// <param name="firstQuery">The first query of the block of <see cref="QueryCount"/>.</param>
    /// <param name="sums">The sums of the softmax, [frames, M, A]. They are replaced by shares.</param>
    /// <param name="partials">The outputs of the frames, [frames·M, D].</param>
    /// <param name="partialStride">Floats between rows of <paramref name="partials"/>.</param>
    /// <param name="config">The model.</param>
    /// <param name="output">Receives the group's attention outputs, [M, S·D], at channel 0 of the scope.</param>
    /// <param name="outputStride">Floats between rows of <paramref name="output"/>.</param>
    public static void Run(FrameStack stack, int group, int scope, int firstQuery, FrameSum* sums, float* partials,
        nint partialStride, ResamplerConfig config, float* output, nint outputStride)
    {
        int headCount = config.AttentionHeadCount;
        int queryCount = config.QueryGrid.QueryCount;
        nint sumStride = (nint)queryCount * headCount;
        for (int query = firstQuery; query < Math.Min(firstQuery + QueryCount, queryCount); query++)
        {
            FrameSum* querySums = sums + ((nint)query * headCount);
            Share(stack, group, scope, query, new AxisRange(0, headCount), querySums, sumStride);
            Add(querySums, sumStride, partials + (query * partialStride), queryCount * partialStride,
                stack.FrameCountOf(group), config, output + (query * outputStride));
        }
    }

    /// <summary>Replaces the totals of one query by the shares of the frames. For each head they add up to 1.</summary>
    /// <param name="stack">The groups.</param>
    /// <param name="group">The group.</param>
    /// <param name="scope">The scope.</param>
    /// <param name="query">The query.</param>
    /// <param name="heads">The heads.</param>
    /// <param name="sums">The sums of the query in the first frame, [A].</param>
    /// <param name="frameStride">Sums from one frame to the next.</param>
    public static void Share(FrameStack stack, int group, int scope, int query, AxisRange heads, FrameSum* sums,
        nint frameStride)
    {
        int first = stack.FirstFrame(group);
        int count = stack.FrameCountOf(group);
        bool hasOffsets = stack[first].Offsets[scope] is not null && stack.IsUneven(group);
        for (int head = heads.Start; head < heads.End; head++)
        {
            (double row, double column, double bias) = (0, 0, 0);
            if (hasOffsets)
                (row, column, bias) = Largest(stack, first, count, scope, query, head);
            double best = double.NegativeInfinity;
            for (int frame = 0; frame < count; frame++)
                best = Math.Max(best, Logit(frame));
            double total = 0;
            for (int frame = 0; frame < count; frame++)
            {
                FrameSum* sum = sums + (frame * frameStride) + head;
                double weight = sum->Total * Math.Exp((Logit(frame) - best) * Base2.Ln2);
                sum->Total = (float)weight;
                total += weight;
            }

            for (int frame = 0; frame < count; frame++)
            {
                FrameSum* sum = sums + (frame * frameStride) + head;
                sum->Total = (float)(sum->Total / total);
            }

            // The largest logit of the query in a frame.
            double Logit(int frame)
            {
                double maximum = sums[(frame * frameStride) + head].Maximum;
                if (!hasOffsets)
                    return maximum;
                FrameOffsets offsets = stack[first + frame].Offsets[scope]!;
                return maximum + offsets.KeyBias(query, head)
                    + Excess(Excess(offsets.Row(query, head), row) + Excess(offsets.Column(query, head), column), bias);
            }
        }
    }

    /// <summary>Writes the sum of the frames' outputs of one query, weighted by their shares.</summary>
    /// <param name="sums">The shares of the query in the first frame, [A].</param>
    /// <param name="sumStride">Shares from one frame to the next.</param>
    /// <param name="partial">The output of the query in the first frame, [D].</param>
    /// <param name="partialStride">Floats from one frame to the next.</param>
    /// <param name="frameCount">The number of frames.</param>
    /// <param name="config">The model.</param>
    /// <param name="output">Receives [D].</param>
    private static void Add(FrameSum* sums, nint sumStride, float* partial, nint partialStride, int frameCount,
        ResamplerConfig config, float* output)
    {
        new Span<float>(output, config.HiddenSize).Clear();
        for (int frame = 0; frame < frameCount; frame++, sums += sumStride, partial += partialStride)
        {
            for (int head = 0; head < config.AttentionHeadCount; head++)
            {
                float share = sums[head].Total;
                TVector shares = TSimd.Create(share);
                int channel = head * config.HeadSize;
                int end = channel + config.HeadSize;
                for (; channel + TSimd.Width <= end; channel += TSimd.Width)
                    TSimd.Store(output + channel, TSimd.MultiplyAdd(TSimd.Load(partial + channel), shares,
                        TSimd.Load(output + channel)));
                for (; channel < end; channel++)
                    output[channel] = SimdScalar.MultiplyAdd(partial[channel], share, output[channel]);
            }
        }
    }

    /// <summary>The largest offset along each axis over the frames, and the largest sum of both relative to
    /// these.</summary>
    /// <remarks>Offsets of tiny sigmas are huge or −∞. Differences from the largest are exact where offsets are equal,
    /// and keep a small difference along one axis next to huge offsets along the other.</remarks>
    private static (double Row, double Column, double Bias) Largest(FrameStack stack, int first, int count, int scope,
        int query, int head)
    {
        double row = double.NegativeInfinity;
        double column = double.NegativeInfinity;
        for (int frame = first; frame < first + count; frame++)
        {
            row = Math.Max(row, stack[frame].Offsets[scope]!.Row(query, head));
            column = Math.Max(column, stack[frame].Offsets[scope]!.Column(query, head));
        }

        double bias = double.NegativeInfinity;
        for (int frame = first; frame < first + count; frame++)
            bias = Math.Max(bias, Excess(stack[frame].Offsets[scope]!.Row(query, head), row)
                + Excess(stack[frame].Offsets[scope]!.Column(query, head), column));
        return (row, column, bias);
    }

    /// <summary>The difference of two offsets; 0 if both are −∞.</summary>
    private static double Excess(double offset, double largest) => offset == largest ? 0 : offset - largest;
}
