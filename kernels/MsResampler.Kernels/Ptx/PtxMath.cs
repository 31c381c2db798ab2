using ILGPU;
using ILGPU.IR.Intrinsics;
using Utilities = ILGPU.Util.Utilities;

namespace MsResampler.Kernels.Ptx;

/// <summary>Single-precision arithmetic. The approximate functions treat subnormal arguments and results as zeros
/// with the same sign. PTX ISA, Floating Point Instructions; every architecture.</summary>
internal static class PtxMath
{
    /// <summary>2 to the power of <paramref name="x"/>; 0 for −∞. The relative error is at most 2⁻²². PTX ISA,
    /// ex2.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ex2.approx.ftz.f32 = 0", OpenCl = "native_exp2")]
    public static float Exp2(float x) => Flush(float.Exp2(Flush(x)));

    /// <summary>The logarithm to base 2; −∞ for 0. The absolute error is at most 2⁻²² between ½ and 2, elsewhere the
    /// relative error is. PTX ISA, lg2.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("lg2.approx.ftz.f32 = 0", OpenCl = "native_log2")]
    public static float Log2(float x) => float.Log2(Flush(x));

    /// <summary>1 / <paramref name="x"/>, with an error of at most 1 ulp. PTX ISA, rcp.approx.ftz.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("rcp.approx.ftz.f32 = 0", OpenCl = "native_recip")]
    public static float Reciprocal(float x) => Flush(1 / Flush(x));

    /// <summary>1 / √<paramref name="x"/>, with a relative error of at most 2⁻²². PTX ISA, rsqrt.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("rsqrt.approx.ftz.f32 = 0", OpenCl = "native_rsqrt")]
    public static float ReciprocalSqrt(float x) => 1 / MathF.Sqrt(Flush(x));

    /// <summary><paramref name="a"/>·<paramref name="b"/> + <paramref name="c"/>, rounded once. PTX ISA, fma.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("fma.rn.f32 = 0 1 2", OpenCl = "fma")]
    public static float Fma(float a, float b, float c) => MathF.FusedMultiplyAdd(a, b, c);

    /// <summary><paramref name="value"/> if its magnitude is less than <paramref name="limit"/>, otherwise
    /// NaN.</summary>
    public static float Inside(float value, float limit)
        => Utilities.Select(IntrinsicMath.Abs(value) < limit, value, float.NaN);

    private static float Flush(float x) => float.IsSubnormal(x) ? MathF.CopySign(0, x) : x;
}
