using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>The attention output of a scope whose values are absorbed: <c>Wv·(Σ p·z)</c> instead of <c>Σ
/// p·(Wv·z)</c>. The sums stay in the second-level cache between the two products.</summary>
[SkipLocalsInit]
internal static unsafe class AbsorbedValues<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Queries of one task.</summary>
    private const int QueryCount = 36;

    /// <summary>The smallest number of queries of a task. The widest register tile has as many rows, and they share
    /// each read of v_proj.</summary>
    private const int MinQueryCount = 6;

    /// <summary>Channels of Z per pass. Rows of this length are long enough for the hardware prefetcher, and
    /// the sums of 8 heads and 36 queries take 576 KiB, which fits the second-level cache.</summary>
    private const int ChannelBlock = 512;

    /// <summary>Floats that the sums of a task take.</summary>
    public const int SumCount = MicroKernel<TSimd, TVector>.MaxRowCount * QueryCount * ChannelBlock;

    private const nint SumStride = QueryCount * ChannelBlock;

    /// <summary>Heads of one task: the rows of a register tile of two vectors, which share each load of z.</summary>
    public static int HeadCount => MicroKernel<TSimd, TVector>.RowCount(TileWidth);

    private static int TileWidth => 2 * TSimd.Width;

    /// <summary>Floats of scratch memory that a task needs, for sums and key offsets.</summary>
    public static int ScratchCount(AbsorbedScope scope) => SumCount + (2 * scope.MaxKeyCount);

    /// <summary>The number of tasks of one scope.</summary>
    /// <param name="config">The model.</param>
    /// <param name="frameCount">The number of frames of the group; 1 for an image.</param>
    public static int TaskCount(ResamplerConfig config, int frameCount)
        => HeadBlocks(config) * Blocks(config.QueryGrid.QueryCount, QueryCountOf(frameCount));

    /// <summary>One of the tasks of a scope.</summary>
    /// <param name="config">The model.</param>
    /// <param name="frameCount">The number of frames of the group; 1 for an image.</param>
    /// <param name="scope">The scope.</param>
    /// <param name="index">The task, below <see cref="TaskCount"/>.</param>
    public static ValueTask TaskOf(ResamplerConfig config, int frameCount, int scope, int index)
    {
        int queryCount = QueryCountOf(frameCount);
        (int headBlock, int block) = Math.DivRem(index, Blocks(config.QueryGrid.QueryCount, queryCount));
        (int head, int query) = (headBlock * HeadCount, block * queryCount);
        return new ValueTask(scope, head, Math.Min(HeadCount, config.AttentionHeadCount - head), query,
            Math.Min(queryCount, config.QueryGrid.QueryCount - query));
    }

    /// <summary>Computes the attention output of one task for an image.</summary>
    /// <param name="scope">The scope's operands.</param>
    /// <param name="task">The heads and queries.</param>
    /// <param name="weights">v_proj, one matrix per head.</param>
    /// <param name="config">The model.</param>
    /// <param name="probabilities">Attention weights, [M, <see cref="AbsorbedScope.MaxKeyCount"/>, lanes].</param>
    /// <param name="features">The image's Z, [N, <paramref name="stride"/>].</param>
    /// <param name="stride">Floats between rows of Z; exceeds D by at least the width of a tile.</param>
    /// <param name="output">The image's attention outputs, [M, S·D], at channel 0 of this scope.</param>
    /// <param name="outputStride">Floats between rows of <paramref name="output"/>.</param>
    /// <param name="scratch"><see cref="ScratchCount"/> floats.</param>
    public static void Run(AbsorbedScope scope, ValueTask task, PackedMatrix[] weights,
        ResamplerConfig config, float* probabilities, float* features, int stride, float* output, nint outputStride,
        float* scratch)
    {
        for (int channel = 0; channel < config.HiddenSize; channel += ChannelBlock)
        {
            Gather(scope, task, config, channel, probabilities, features, stride, isFirst: true, scratch);
            Project(task, weights, config, channel, output, outputStride, scratch);
        }
    }

    /// <summary>Computes the attention output of one task for a group of frames. The weights of the frames are scaled
    /// by their shares, so that the sums over all frames are projected once.</summary>
    /// <param name="stack">The groups.</param>
    /// <param name="group">The group.</param>
    /// <param name="task">The heads and queries.</param>
    /// <param name="weights">v_proj, one matrix per head.</param>
    /// <param name="config">The model.</param>
    /// <param name="sums">The sums of the softmax in the first frame, [M, A]. They are replaced by shares.</param>
    /// <param name="probabilities">Attention weights, [M, keys, lanes] for each frame. They are scaled.</param>
    /// <param name="starts">Floats before the weights of each frame of the group.</param>
    /// <param name="features">Z of all groups, [rows, <paramref name="stride"/>].</param>
    /// <param name="stride">Floats between rows of Z; exceeds D by at least the width of a tile.</param>
    /// <param name="output">The group's attention outputs, [M, S·D], at channel 0 of this scope.</param>
    /// <param name="outputStride">Floats between rows of <paramref name="output"/>.</param>
    /// <param name="scratch"><see cref="ScratchCount"/> floats for any of the frames.</param>
    public static void Run(FrameStack stack, int group, ValueTask task, PackedMatrix[] weights, ResamplerConfig config,
        FrameSum* sums, float* probabilities, ReadOnlySpan<long> starts, float* features, int stride, float* output,
        nint outputStride, float* scratch)
    {
        int first = stack.FirstFrame(group);
        int frameCount = stack.FrameCountOf(group);
        nint sumStride = (nint)config.QueryGrid.QueryCount * config.AttentionHeadCount;
        for (int query = task.Query; query < task.Query + task.QueryCount; query++)
            FrameMerge<TSimd, TVector>.Share(stack, group, task.Scope, query,
                new AxisRange(task.Head, task.Head + task.HeadCount),
                sums + ((nint)query * config.AttentionHeadCount), sumStride);
        for (int frame = 0; frame < frameCount; frame++)
            Scale(stack[first + frame].Absorbed[task.Scope]!, task, config.AttentionHeadCount,
                sums + (frame * sumStride), probabilities + starts[frame]);
        for (int channel = 0; channel < config.HiddenSize; channel += ChannelBlock)
        {
            for (int frame = 0; frame < frameCount; frame++)
                Gather(stack[first + frame].Absorbed[task.Scope]!, task, config, channel,
                    probabilities + starts[frame], features + ((nint)stack.FirstRow(first + frame) * stride),
                    stride, isFirst: frame == 0, scratch);
            Project(task, weights, config, channel, output, outputStride, scratch);
        }
    }

    /// <summary>The number of queries of a task: fewer for many frames, whose tasks gather more keys, so that there are
    /// enough tasks for all threads.</summary>
    private static int QueryCountOf(int frameCount) => frameCount == 1 ? QueryCount
        : Math.Max(MinQueryCount, Blocks(QueryCount, frameCount));

    private static int HeadBlocks(ResamplerConfig config) => Blocks(config.AttentionHeadCount, HeadCount);

    private static int Blocks(int count, int size) => (count + size - 1) / size;

    /// <summary>Multiplies the weights of a task in one frame by the shares of the frame.</summary>
    private static void Scale(AbsorbedScope scope, ValueTask task, int headCount, FrameSum* shares,
        float* probabilities)
    {
        int weightCount = scope.MaxKeyCount * scope.LaneCount;
        for (int query = task.Query; query < task.Query + task.QueryCount; query++)
        {
            int keyCount = scope.KeyCount(query);
            for (int key = 0; key < keyCount; key++)
            {
                float* weight = probabilities + ((nint)query * weightCount) + (key * scope.LaneCount);
                for (int head = task.Head; head < task.Head + task.HeadCount; head++)
                    weight[head] *= shares[(query * headCount) + head].Total;
            }
        }
    }

    /// <summary>Sums the rows of Z of one frame, for a block of channels. The sums of further frames are
    /// added.</summary>
    private static void Gather(AbsorbedScope scope, ValueTask task, ResamplerConfig config, int channel,
        float* probabilities, float* features, int stride, bool isFirst, float* scratch)
    {
        int channels = Math.Min(ChannelBlock, config.HiddenSize - channel);
        float* zeros = stackalloc float[TileWidth];
        new Span<float>(zeros, TileWidth).Clear();
        float** rows = stackalloc float*[MicroKernel<TSimd, TVector>.MaxRowCount];
        int* offsets = (int*)(scratch + SumCount);
        for (int index = 0; index < task.QueryCount; index++)
        {
            int query = task.Query + index;
            int keyCount = scope.KeyOffsets(query, stride, offsets);
            float* weight = probabilities + ((nint)query * scope.MaxKeyCount * scope.LaneCount);
            for (int r = 0; r < HeadCount; r++)
                rows[r] = weight + task.Head + Math.Min(r, task.HeadCount - 1);
            for (int c = 0; c < channels; c += TileWidth)
            {
                float* sums = scratch + ((nint)index * ChannelBlock) + c;
                MicroKernel<TSimd, TVector>.Gather(TileWidth, rows, features + channel + c, offsets, keyCount,
                    isFirst ? zeros : sums, isFirst ? 0 : SumStride, sums, SumStride);
            }
        }
    }

    /// <summary>Adds the projection of a block of channels to the output.</summary>
    private static void Project(ValueTask task, PackedMatrix[] weights, ResamplerConfig config, int channel,
        float* output, nint outputStride, float* scratch)
    {
        int channels = Math.Min(ChannelBlock, config.HiddenSize - channel);
        int panelWidth = MicroKernel<TSimd, TVector>.PanelWidth;
        int panelCount = weights[task.Head].PanelCount;
        for (int index = 0; index < task.HeadCount * panelCount; index++)
        {
            (int r, int panel) = Math.DivRem(index, panelCount);
            PackedMatrix weight = weights[task.Head + r];
            int width = weight.WidthOf(panel);
            float* target = output + ((nint)task.Query * outputStride) + ((task.Head + r) * config.HeadSize)
                + (panel * panelWidth);
            Gemm<TSimd, TVector>.Multiply(scratch + (r * SumStride), ChannelBlock, task.QueryCount, channels,
                Rows(weight, panel, channel), width, width, weight.ColumnsOf(panel),
                channel == 0 ? weight.Bias(panel) : target, channel == 0 ? 0 : outputStride, target, outputStride,
                index + 1 == task.HeadCount * panelCount ? null
                    : Rows(weights[task.Head + ((index + 1) / panelCount)], (index + 1) % panelCount, channel));
        }
    }

    /// <summary>A panel, starting at row <paramref name="first"/>.</summary>
    private static float* Rows(PackedMatrix weight, int panel, int first)
        => weight.Panel(panel) + ((nint)first * weight.WidthOf(panel));
}
