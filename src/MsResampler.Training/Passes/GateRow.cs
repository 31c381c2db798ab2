using System.Runtime.CompilerServices;
using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Training.Passes;

/// <summary>The fusion gate of one token and its gradients. Gate s·R + r is that of scope s for the channels of
/// group r.</summary>
internal static unsafe class GateRow<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Writes the GELU of a row.</summary>
    public static void Gelu(float* row, int count, float* destination)
    {
        new ReadOnlySpan<float>(row, count).CopyTo(new Span<float>(destination, count));
        VectorMath<TSimd, TVector>.Gelu(destination, count);
    }

    /// <summary>Multiplies the gradient of a GELU by its derivative <c>Φ(x) + x·φ(x)</c>.</summary>
    /// <param name="gradient">The gradient, which is replaced.</param>
    /// <param name="x">The argument of the GELU.</param>
    /// <param name="count">The number of values.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void GeluGradient(float* gradient, float* x, int count)
    {
        int i = 0;
        for (; i + TSimd.Width <= count; i += TSimd.Width)
            TSimd.Store(gradient + i, TSimd.Multiply(TSimd.Load(gradient + i), Derivative(TSimd.Load(x + i))));
        for (; i < count; i++)
            gradient[i] *= GateRow<SimdScalar, float>.Derivative(x[i]);
    }

    /// <summary>Writes the gradients of the gate logits, <c>g_s·(e_s − Σ g_t·e_t)</c>, where <c>e_s = Σ dF·O_s</c> over
    /// the channels of a group is the gradient of gate s.</summary>
    /// <param name="gradient">dF.</param>
    /// <param name="branches">O of all scopes.</param>
    /// <param name="gates">g.</param>
    /// <param name="scopeCount">S.</param>
    /// <param name="groupCount">R.</param>
    /// <param name="width">D.</param>
    /// <param name="logitGradients">Receives S·R values.</param>
    public static void SoftmaxGradient(float* gradient, float* branches, float* gates, int scopeCount, int groupCount,
        int width, float* logitGradients)
    {
        int groupWidth = width / groupCount;
        for (int group = 0; group < groupCount; group++)
        {
            float mean = 0;
            for (int scope = 0; scope < scopeCount; scope++)
            {
                int index = (scope * groupCount) + group;
                logitGradients[index] = Dot(gradient + (group * groupWidth),
                    branches + ((nint)scope * width) + (group * groupWidth), groupWidth);
                mean += gates[index] * logitGradients[index];
            }

            for (int scope = 0; scope < scopeCount; scope++)
            {
                int index = (scope * groupCount) + group;
                logitGradients[index] = gates[index] * (logitGradients[index] - mean);
            }
        }
    }

    /// <summary>Writes the part of the gradients of the branches that does not pass through the gate,
    /// <c>dO_s = g_s·dF</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Spread(float* gradient, float* gates, int scopeCount, int groupCount, int width,
        float* branchGradients)
    {
        int groupWidth = width / groupCount;
        for (int index = 0; index < scopeCount * groupCount; index++, branchGradients += groupWidth)
        {
            float* source = gradient + (index % groupCount * groupWidth);
            TVector gate = TSimd.Broadcast(gates + index);
            int i = 0;
            for (; i + TSimd.Width <= groupWidth; i += TSimd.Width)
                TSimd.Store(branchGradients + i, TSimd.Multiply(gate, TSimd.Load(source + i)));
            for (; i < groupWidth; i++)
                branchGradients[i] = gates[index] * source[i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Derivative(TVector x)
    {
        const float InverseRootTwoPi = 0.39894228f;
        TVector exponent = TSimd.Multiply(TSimd.Multiply(x, x), TSimd.Create((float)(-Base2.Log2E / 2)));
        TVector density = TSimd.Multiply(VectorMath<TSimd, TVector>.Exp2(exponent), TSimd.Create(InverseRootTwoPi));
        return TSimd.MultiplyAdd(x, density, VectorMath<TSimd, TVector>.NormalProbability(x));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot(float* a, float* b, int count)
    {
        TVector sum = TSimd.Zero;
        int i = 0;
        for (; i + TSimd.Width <= count; i += TSimd.Width)
            sum = TSimd.MultiplyAdd(TSimd.Load(a + i), TSimd.Load(b + i), sum);
        float total = TSimd.Sum(sum);
        for (; i < count; i++)
            total += a[i] * b[i];
        return total;
    }
}
