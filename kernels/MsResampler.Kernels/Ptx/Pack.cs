using ILGPU.IR.Intrinsics;

namespace MsResampler.Kernels.Ptx;

/// <summary>Conversions from float32 to the element types of <see cref="Mma"/>, rounded to nearest, ties to even
/// unless stated otherwise. PTX ISA, cvt; from sm_80 on.</summary>
internal static class Pack
{
    /// <summary>Two float16, <paramref name="low"/> in the low half.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("cvt.rn.f16x2.f32 = 1 0", MinArchitecture = 80)]
    public static uint F16(float low, float high) =>
        BitConverter.HalfToUInt16Bits((Half)low) | ((uint)BitConverter.HalfToUInt16Bits((Half)high) << 16);

    /// <summary>Two bfloat16, <paramref name="low"/> in the low half. NaN becomes 0x7FFF.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("cvt.rn.bf16x2.f32 = 1 0", MinArchitecture = 80)]
    public static uint BF16(float low, float high) => RoundToBF16(low) | (RoundToBF16(high) << 16);

    /// <summary>Rounds to 10 fraction bits, ties away from zero; the remaining 13 bits are zero.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("cvt.rna.tf32.f32 = 0", MinArchitecture = 80)]
    public static uint TF32(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? 0x7FFFFFFF : (bits + 0x1000) & ~0x1FFFu;
    }

    private static uint RoundToBF16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? 0x7FFF : (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    }
}
