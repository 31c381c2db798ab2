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
    public const int QueryCount = 36;

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

    /// <summary>Computes the attention output of one task.</summary>
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
        int headSize = config.HeadSize;
        int panelWidth = MicroKernel<TSimd, TVector>.PanelWidth;
        float* zeros = stackalloc float[panelWidth];
        new Span<float>(zeros, panelWidth).Clear();
        float** rows = stackalloc float*[MicroKernel<TSimd, TVector>.MaxRowCount];
        int* offsets = (int*)(scratch + SumCount);
        for (int channel = 0; channel < config.HiddenSize; channel += ChannelBlock)
        {
            int channels = Math.Min(ChannelBlock, config.HiddenSize - channel);
            for (int index = 0; index < task.QueryCount; index++)
            {
                int query = task.Query + index;
                int keyCount = scope.KeyOffsets(query, stride, offsets);
                float* weight = probabilities + ((nint)query * scope.MaxKeyCount * scope.LaneCount);
                for (int r = 0; r < HeadCount; r++)
                    rows[r] = weight + task.Head + Math.Min(r, task.HeadCount - 1);
                for (int c = 0; c < channels; c += TileWidth)
                    MicroKernel<TSimd, TVector>.Gather(TileWidth, rows, features + channel + c, offsets, keyCount,
                        zeros, 0, scratch + ((nint)index * ChannelBlock) + c, SumStride);
            }

            int panelCount = weights[task.Head].PanelCount;
            for (int index = 0; index < task.HeadCount * panelCount; index++)
            {
                (int r, int panel) = Math.DivRem(index, panelCount);
                PackedMatrix weight = weights[task.Head + r];
                int width = weight.WidthOf(panel);
                float* target = output + ((nint)task.Query * outputStride) + ((task.Head + r) * headSize)
                    + (panel * panelWidth);
                Gemm<TSimd, TVector>.Multiply(scratch + (r * SumStride), ChannelBlock, task.QueryCount, channels,
                    Rows(weight, panel, channel), width, width, weight.ColumnsOf(panel),
                    channel == 0 ? weight.Bias(panel) : target, channel == 0 ? 0 : outputStride, target, outputStride,
                    index + 1 == task.HeadCount * panelCount ? null
                        : Rows(weights[task.Head + ((index + 1) / panelCount)], (index + 1) % panelCount, channel));
            }
        }
    }

    /// <summary>A panel, starting at row <paramref name="first"/>.</summary>
    private static float* Rows(PackedMatrix weight, int panel, int first)
        => weight.Panel(panel) + ((nint)first * weight.WidthOf(panel));
}
