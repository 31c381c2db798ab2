using System.Runtime.CompilerServices;
using MsResampler.Cpu.Integer;
using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>The attention output of a scope whose values are absorbed: <c>Wv·(Σ p·z)</c> instead of <c>Σ
/// p·(Wv·z)</c>. The sums stay in the second-level cache between the two products.</summary>
/// <remarks>The weights of the frames of a group are scaled by their shares, so that the sums over all frames are
/// projected once.</remarks>
[SkipLocalsInit]
internal static unsafe class AbsorbedValues<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>The largest number of queries of a task.</summary>
    private const int MaxQueryCount = 36;

    /// <summary>The number of queries of a task is a multiple of this: the rows of the widest register tile, which
    /// share each read of v_proj.</summary>
    private const int QueryMultiple = 6;

    /// <summary>With as many tasks per thread, the threads end at about the same time.</summary>
    private const int TasksPerThread = 4;

    /// <summary>Channels of Z per pass. Rows of this length are long enough for the hardware prefetcher, and
    /// the sums of 8 heads and 36 queries take 576 KiB, which fits the second-level cache.</summary>
    private const int ChannelBlock = 512;

    /// <summary>Floats that the sums of a task take in float32.</summary>
    public const int SumCount = MicroKernel<TSimd, TVector>.MaxRowCount * MaxQueryCount * ChannelBlock;

    private const nint SumStride = MaxQueryCount * ChannelBlock;

    /// <summary>Heads of one task.</summary>
    public static int HeadCount => WeightedRows<TSimd, TVector>.HeadCount;

    /// <summary>The queries of a task.</summary>
    /// <param name="config">The model.</param>
    /// <param name="scopeCount">The number of scopes of all groups whose values are absorbed.</param>
    /// <param name="threadCount">The number of threads.</param>
    public static int QueryCountOf(ResamplerConfig config, int scopeCount, int threadCount)
    {
        int blocks = Blocks(TasksPerThread * threadCount, Math.Max(1, scopeCount * HeadBlocks(config)));
        int queries = Blocks(config.QueryGrid.QueryCount, blocks);
        return Math.Min(MaxQueryCount, Blocks(queries, QueryMultiple) * QueryMultiple);
    }

    /// <summary>The number of tasks of one scope.</summary>
    /// <param name="config">The model.</param>
    /// <param name="queryCount">The queries of a task.</param>
    public static int TaskCount(ResamplerConfig config, int queryCount)
        => HeadBlocks(config) * Blocks(config.QueryGrid.QueryCount, queryCount);

    /// <summary>One of the tasks of a scope.</summary>
    /// <param name="config">The model.</param>
    /// <param name="queryCount">The queries of a task.</param>
    /// <param name="index">The task, below <see cref="TaskCount"/>.</param>
    public static ValueTask TaskOf(ResamplerConfig config, int queryCount, int index)
    {
        (int headBlock, int block) = Math.DivRem(index, Blocks(config.QueryGrid.QueryCount, queryCount));
        (int head, int query) = (headBlock * HeadCount, block * queryCount);
        return new ValueTask(head, Math.Min(HeadCount, config.AttentionHeadCount - head), query,
            Math.Min(queryCount, config.QueryGrid.QueryCount - query));
    }

    /// <summary>Floats of scratch memory that a task needs.</summary>
    /// <param name="config">The model.</param>
    /// <param name="values">v_proj.</param>
    /// <param name="queryCount">The queries of a task.</param>
    /// <param name="maxKeyCount">Patches of the largest window.</param>
    public static int ScratchCount(ResamplerConfig config, WeightMatrix values, int queryCount, int maxKeyCount)
        => values is IntegerMatrix integers
            ? (int)IntegerRows.FloatsOf(HeadCount * queryCount, integers) + (HeadCount * SumWidth(config))
                + (2 * maxKeyCount)
            : SumCount + Math.Max(2 * maxKeyCount, ((PackedMatrix)values).ScratchCountOf(ChannelBlock));

    /// <summary>Computes the attention output of one task.</summary>
    /// <param name="rows">The rows of Z and their weights, which are scaled if there are several frames.</param>
    /// <param name="task">The heads and queries.</param>
    /// <param name="weights">v_proj, one matrix per head.</param>
    /// <param name="config">The model.</param>
    /// <param name="frameSums">The sums of the softmax in the first of several frames, [M, A]. They are replaced by
    /// shares.</param>
    /// <param name="output">The group's attention outputs, [M, S·D], at channel 0 of the scope.</param>
    /// <param name="outputStride">Floats between rows of <paramref name="output"/>.</param>
    /// <param name="scratch"><see cref="ScratchCount"/> floats, aligned to cache lines.</param>
    public static void Run(in WeightedRows<TSimd, TVector> rows, ValueTask task, WeightMatrix[] weights,
        ResamplerConfig config, FrameSum* frameSums, float* output, nint outputStride, float* scratch)
    {
        rows.ShareAmongFrames(task, frameSums, config.QueryGrid.QueryCount, config.AttentionHeadCount);
        output += task.Query * outputStride;
        if (weights[0] is IntegerMatrix)
        {
            RunIntegers(rows, task, weights, config, output, outputStride, scratch);
            return;
        }

        // Offsets are not needed while a part of v_proj is in the same memory.
        int* offsets = (int*)(scratch + SumCount);
        for (int channel = 0; channel < config.HiddenSize; channel += ChannelBlock)
        {
            int channels = Math.Min(ChannelBlock, config.HiddenSize - channel);
            for (int index = 0; index < task.QueryCount; index++)
                rows.Sum(task, task.Query + index, channel, channels, offsets,
                    scratch + ((nint)index * ChannelBlock), SumStride);
            Project(task, weights, config, channel, output, outputStride, scratch, scratch + SumCount);
        }
    }

    /// <summary>Computes a task with integers. The sums of a query are rounded as soon as they are complete, because
    /// the scale of a row depends on all its channels.</summary>
    private static void RunIntegers(in WeightedRows<TSimd, TVector> rows, ValueTask task, WeightMatrix[] weights,
        ResamplerConfig config, float* output, nint outputStride, float* scratch)
    {
        // All heads have the same type and smoothing.
        IntegerMatrix integers = (IntegerMatrix)weights[task.Head];
        IntegerRows activations = new(scratch, HeadCount * task.QueryCount, integers.InnerCount, integers.Type,
            integers.Kernel);
        float* sums = scratch + IntegerRows.FloatsOf(HeadCount * task.QueryCount, integers);
        int sumStride = SumWidth(config);
        int* offsets = (int*)(sums + (HeadCount * sumStride));
        for (int index = 0; index < task.QueryCount; index++)
        {
            rows.Sum(task, task.Query + index, 0, config.HiddenSize, offsets, sums, sumStride);
            for (int r = 0; r < task.HeadCount; r++)
                Quantiser<TSimd, TVector>.Quantise(sums + (r * sumStride), integers.InverseSmoothing, activations,
                    (r * task.QueryCount) + index);
        }

        for (int r = 0; r < task.HeadCount; r++)
        {
            IntegerMatrix matrix = (IntegerMatrix)weights[task.Head + r];
            for (int panel = 0; panel < matrix.PanelCount; panel++)
                IntegerGemm<TSimd, TVector>.Panel(activations, r * task.QueryCount, task.QueryCount, matrix, panel,
                    output + ((task.Head + r) * config.HeadSize), outputStride);
        }
    }

    /// <summary>Adds the projection of a block of channels to the output.</summary>
    private static void Project(ValueTask task, WeightMatrix[] weights, ResamplerConfig config, int channel,
        float* output, nint outputStride, float* sums, float* scratch)
    {
        int channels = Math.Min(ChannelBlock, config.HiddenSize - channel);
        int panelCount = weights[task.Head].PanelCount;
        for (int index = 0; index < task.HeadCount * panelCount; index++)
        {
            (int r, int panel) = Math.DivRem(index, panelCount);
            PackedMatrix weight = (PackedMatrix)weights[task.Head + r];
            int width = weight.WidthOf(panel);
            float* target = output + ((task.Head + r) * config.HeadSize) + (panel * weight.PanelWidth);
            Gemm<TSimd, TVector>.Multiply(sums + (r * SumStride), ChannelBlock, task.QueryCount, channels,
                weight.Rows(panel, channel, channels, scratch), width, width, weight.ColumnsOf(panel),
                channel == 0 ? weight.Bias(panel) : target, channel == 0 ? 0 : outputStride, target, outputStride,
                index + 1 == task.HeadCount * panelCount ? default
                    : ((PackedMatrix)weights[task.Head + ((index + 1) / panelCount)]).Memory((index + 1) % panelCount,
                        channel, channels));
        }
    }

    /// <summary>Floats of a row of sums: whole tiles.</summary>
    private static int SumWidth(ResamplerConfig config)
        => Blocks(config.HiddenSize, WeightedRows<TSimd, TVector>.TileWidth) * WeightedRows<TSimd, TVector>.TileWidth;

    private static int HeadBlocks(ResamplerConfig config) => Blocks(config.AttentionHeadCount, HeadCount);

    private static int Blocks(int count, int size) => (count + size - 1) / size;
}

/// <summary>A task of absorbed values of a scope for one group: a range of heads for a range of queries.</summary>
internal readonly record struct ValueTask(int Head, int HeadCount, int Query, int QueryCount);
