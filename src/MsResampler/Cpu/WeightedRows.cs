using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>The rows of Z of a group of frames, and the attention weights of an absorbed scope for them.</summary>
/// <param name="stack">The groups.</param>
/// <param name="group">The group.</param>
/// <param name="scope">The scope.</param>
/// <param name="weights">The weights of the group: [M, <see cref="AbsorbedScope.MaxKeyCount"/>, lanes] for each
/// frame.</param>
/// <param name="starts">Floats before the weights of each frame of the group.</param>
/// <param name="features">Z of all groups, [rows, <paramref name="stride"/>].</param>
/// <param name="stride">Floats between rows of Z; exceeds D by at least the width of a tile.</param>
internal readonly unsafe ref struct WeightedRows<TSimd, TVector>(FrameStack stack, int group, int scope, float* weights,
    ReadOnlySpan<long> starts, float* features, int stride)
    where TSimd : struct, ISimd<TVector>
{
    private readonly ReadOnlySpan<long> _starts = starts;

    /// <summary>Heads that share each load of Z: the rows of a register tile of two vectors.</summary>
    public static int HeadCount => MicroKernel<TSimd, TVector>.RowCount(TileWidth);

    /// <summary>Channels of a register tile.</summary>
    public static int TileWidth => 2 * TSimd.Width;

    public int Scope => scope;

    /// <summary>Makes the weights of a group of several frames relative to all its frames.</summary>
    /// <param name="task">The heads and queries.</param>
    /// <param name="sums">The sums of the softmax in the first frame, [M, A]. They are replaced by shares.</param>
    /// <param name="queryCount">M.</param>
    /// <param name="headCount">A.</param>
    public void ShareAmongFrames(ValueTask task, FrameSum* sums, int queryCount, int headCount)
    {
        int frameCount = stack.FrameCountOf(group);
        if (frameCount == 1)
            return;
        nint sumStride = (nint)queryCount * headCount;
        for (int query = task.Query; query < task.Query + task.QueryCount; query++)
            FrameMerge<TSimd, TVector>.Share(stack, group, scope, query,
                new AxisRange(task.Head, task.Head + task.HeadCount), sums + ((nint)query * headCount), sumStride);
        for (int frame = 0; frame < frameCount; frame++)
            Scale(Absorbed(frame), task, headCount, sums + (frame * sumStride), weights + _starts[frame]);
    }

    /// <summary>Sums the rows of the windows of a query, for a range of channels.</summary>
    /// <param name="task">The heads.</param>
    /// <param name="query">The query.</param>
    /// <param name="channel">The first channel.</param>
    /// <param name="channels">The number of channels.</param>
    /// <param name="offsets">Scratch memory for two values per key.</param>
    /// <param name="sums">Receives the sums, <see cref="HeadCount"/> rows, up to the end of the last tile.</param>
    /// <param name="sumStride">Floats between rows of <paramref name="sums"/>.</param>
    public void Sum(ValueTask task, int query, int channel, int channels, int* offsets, float* sums, nint sumStride)
    {
        float* zeros = stackalloc float[TileWidth];
        new Span<float>(zeros, TileWidth).Clear();
        float** rows = stackalloc float*[MicroKernel<TSimd, TVector>.MaxRowCount];
        for (int frame = 0; frame < stack.FrameCountOf(group); frame++)
        {
            AbsorbedScope absorbed = Absorbed(frame);
            int keyCount = absorbed.KeyOffsets(query, stride, offsets);
            float* weight = weights + _starts[frame] + ((nint)query * absorbed.MaxKeyCount * absorbed.LaneCount);
            for (int r = 0; r < HeadCount; r++)
                rows[r] = weight + task.Head + Math.Min(r, task.HeadCount - 1);
            float* source = features + ((nint)stack.FirstRow(stack.FirstFrame(group) + frame) * stride) + channel;
            for (int c = 0; c < channels; c += TileWidth)
                MicroKernel<TSimd, TVector>.Gather(TileWidth, rows, source + c, offsets, keyCount,
                    frame == 0 ? zeros : sums + c, frame == 0 ? 0 : sumStride, sums + c, sumStride);
        }
    }

    /// <summary>Multiplies the weights of a task in one frame by the shares of the frame.</summary>
    private static void Scale(AbsorbedScope absorbed, ValueTask task, int headCount, FrameSum* shares, float* weights)
    {
        int weightCount = absorbed.MaxKeyCount * absorbed.LaneCount;
        for (int query = task.Query; query < task.Query + task.QueryCount; query++)
        {
            int keyCount = absorbed.KeyCount(query);
            for (int key = 0; key < keyCount; key++)
            {
                float* weight = weights + ((nint)query * weightCount) + (key * absorbed.LaneCount);
                for (int head = task.Head; head < task.Head + task.HeadCount; head++)
                    weight[head] *= shares[(query * headCount) + head].Total;
            }
        }
    }

    private AbsorbedScope Absorbed(int frame) => stack[stack.FirstFrame(group) + frame].Absorbed[scope]!;
}
