using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>The fusion gate for a block of rows, after the product with its first layer: GELU, gate logits, softmax
/// over scopes, weighted sum and ln_post.</summary>
internal static unsafe class FusionGate<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Rows of a block: few enough to share one image among many threads.</summary>
    public const int RowCount = 4;

    /// <summary>Floats of scratch memory that a block needs.</summary>
    public static int ScratchCount(ResamplerConfig config)
        => config.Gate is null ? 0 : RowCount * config.Scopes.Count * config.GateGroupCount;

    /// <summary>Computes a block.</summary>
    /// <param name="model">The model.</param>
    /// <param name="branches">Branch outputs, [rows, S·D].</param>
    /// <param name="stride">Floats between rows of <paramref name="branches"/>.</param>
    /// <param name="hidden">Products with the first layer of the gate, [rows, G]; replaced by their GELU.</param>
    /// <param name="hiddenStride">Floats between rows of <paramref name="hidden"/>.</param>
    /// <param name="rowCount">The number of rows, at most <see cref="RowCount"/>.</param>
    /// <param name="fused">Receives the normalised rows, [rows, D].</param>
    /// <param name="fusedStride">Floats between rows of <paramref name="fused"/>.</param>
    /// <param name="weights">Receives the gate weights, [rows, S·R]; may be null.</param>
    /// <param name="logits">Scratch memory, <see cref="ScratchCount"/> floats.</param>
    public static void Run(ModelOperands<TSimd, TVector> model, float* branches, nint stride, float* hidden,
        nint hiddenStride, int rowCount, float* fused, nint fusedStride, float* weights, float* logits)
    {
        ResamplerConfig config = model.Config;
        if (model.GateHidden is null)
        {
            for (int row = 0; row < rowCount; row++)
                model.PostNorm.Apply(branches + (row * stride), fused + (row * fusedStride));
            return;
        }

        int logitCount = model.GateOutput!.ColumnCount;
        // Row by row, so that a value is computed as part of a vector or as a remainder independently of other rows.
        for (int row = 0; row < rowCount; row++)
            VectorMath<TSimd, TVector>.Gelu(hidden + (row * hiddenStride), model.GateHidden.ColumnCount);
        for (int panel = 0; panel < model.GateOutput.PanelCount; panel++)
            Gemm<TSimd, TVector>.Panel(hidden, hiddenStride, rowCount, model.GateOutput, panel, logits, logitCount);
        for (int row = 0; row < rowCount; row++)
        {
            float* gate = logits + (row * logitCount);
            SoftmaxOverScopes(gate, config.Scopes.Count, config.GateGroupCount);
            if (weights is not null)
                new ReadOnlySpan<float>(gate, logitCount).CopyTo(
                    new Span<float>(weights + (row * logitCount), logitCount));
            Sum(config, branches + (row * stride), gate, fused + (row * fusedStride));
            model.PostNorm.Apply(fused + (row * fusedStride), fused + (row * fusedStride));
        }
    }

    /// <summary>Replaces the logits of a token by their softmax over the scopes. It is NaN if a logit is not
    /// finite.</summary>
    public static void SoftmaxOverScopes(float* gate, int scopeCount, int groupCount)
    {
        for (int group = 0; group < groupCount; group++)
        {
            float best = gate[group];
            // Becomes NaN if a logit is not finite. Without this, an overflow to −∞ would be a weight of 0.
            float total = gate[group] * 0;
            for (int scope = 1; scope < scopeCount; scope++)
            {
                best = Math.Max(best, gate[(scope * groupCount) + group]);
                total += gate[(scope * groupCount) + group] * 0;
            }

            for (int scope = 0; scope < scopeCount; scope++)
            {
                ref float weight = ref gate[(scope * groupCount) + group];
                weight = VectorMath<SimdScalar, float>.Exp2((weight - best) * (float)Base2.Log2E);
                total += weight;
            }

            for (int scope = 0; scope < scopeCount; scope++)
                gate[(scope * groupCount) + group] /= total;
        }
    }

    /// <summary>Writes the weighted sum of the branches of a token, <c>F = Σ g·O</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Sum(ResamplerConfig config, float* branches, float* gate, float* fused)
    {
        int width = config.HiddenSize;
        int groupCount = config.GateGroupCount;
        int groupWidth = width / groupCount;
        for (int group = 0; group < groupCount; group++)
        {
            int first = group * groupWidth;
            int vectorEnd = first + groupWidth - (groupWidth % TSimd.Width);
            for (int channel = first; channel < vectorEnd; channel += TSimd.Width)
            {
                TVector sum = TSimd.Zero;
                for (int scope = 0; scope < config.Scopes.Count; scope++)
                    sum = TSimd.MultiplyAdd(TSimd.Broadcast(gate + (scope * groupCount) + group),
                        TSimd.Load(branches + ((nint)scope * width) + channel), sum);
                TSimd.Store(fused + channel, sum);
            }

            for (int channel = vectorEnd; channel < first + groupWidth; channel++)
            {
                float sum = 0;
                for (int scope = 0; scope < config.Scopes.Count; scope++)
                    sum = SimdScalar.MultiplyAdd(gate[(scope * groupCount) + group],
                        branches[((nint)scope * width) + channel], sum);
                fused[channel] = sum;
            }
        }
    }
}
