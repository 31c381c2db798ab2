using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Gate;

/// <summary>The exact GELU, x·Φ(x).</summary>
internal static class Gelu
{
    /// <summary>Computes x·Φ(x) with a relative error of about 2⁻²².</summary>
    /// <remarks>erfc is a Chebyshev fit (Press et al., Numerical Recipes, 6.2), as on the processor. Φ(−|x|) is a
    /// product and not 1 − erf, so that it stays accurate for large |x|.</remarks>
    public static float Of(float x)
    {
        const float HalfSqrt2 = 0.70710678f;
        float magnitude = x < 0 ? -x : x;
        float z = magnitude * HalfSqrt2;
        float t = 1 / PtxMath.Fma(z, 0.5f, 1);
        float sum = 0.17087277f;
        sum = PtxMath.Fma(sum, t, -0.82215223f);
        sum = PtxMath.Fma(sum, t, 1.48851587f);
        sum = PtxMath.Fma(sum, t, -1.13520398f);
        sum = PtxMath.Fma(sum, t, 0.27886807f);
        sum = PtxMath.Fma(sum, t, -0.18628806f);
        sum = PtxMath.Fma(sum, t, 0.09678418f);
        sum = PtxMath.Fma(sum, t, 0.37409196f);
        sum = PtxMath.Fma(sum, t, 1.00002368f);
        sum = PtxMath.Fma(sum, t, -1.26551223f);
        sum = PtxMath.Fma(-z, z, sum);
        float tail = t * 0.5f * PtxMath.Exp2(sum * (float)Base2.Log2E);
        return x * (x < 0 ? tail : 1 - tail);
    }
}
