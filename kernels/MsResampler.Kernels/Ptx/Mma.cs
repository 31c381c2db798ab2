using ILGPU.IR.Intrinsics;

namespace MsResampler.Kernels.Ptx;

/// <summary>Products of small matrices on tensor cores. A warp computes D = A·B + C, where A is 16×k, B is k×8, and
/// C and D are 16×8 and in float32. All lanes of the warp take part.
/// <para>Lane <c>l</c> has the coordinates <c>g = l / 4</c> and <c>t = l % 4</c>. Of C and D it holds rows g (X, Y)
/// and g+8 (Z, W), columns 2t (X, Z) and 2t+1 (Y, W).</para></summary>
internal static class Mma
{
    /// <summary>The product for k = 16 in float16. A register holds two elements: the one of the lower column (of A)
    /// or row (of B) is in its low half. Of A, a lane holds row g, columns 2t and 2t+1 (X); row g+8, the same
    /// columns (Y); row g, columns 2t+8 and 2t+9 (Z); and row g+8, the same columns as Z (W). Of B, it holds column
    /// g, rows 2t and 2t+1 (<paramref name="b0"/>) and rows 2t+8 and 2t+9 (<paramref name="b1"/>). PTX ISA, Matrix
    /// Fragments for mma.m16n8k16 with floating point type; from sm_80 on.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 = 1 {2,3} 0", MinArchitecture = 80)]
    public static Float4 F16(Float4 c, UInt4 a, uint b0, uint b1) => throw PtxInstructions.NeedsGpu("mma.sync");

    /// <summary>Like <see cref="F16"/>, in bfloat16; from sm_80 on.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 = 1 {2,3} 0", MinArchitecture = 80)]
    public static Float4 BF16(Float4 c, UInt4 a, uint b0, uint b1) => throw PtxInstructions.NeedsGpu("mma.sync");

    /// <summary>The product for k = 8 in float32 of which only the upper 19 bits are used (<see cref="Pack.TF32"/>
    /// rounds to them). A register holds one element. Of A, a lane holds row g, column t (X); row g+8, column t (Y);
    /// row g, column t+4 (Z); and row g+8, column t+4 (W). Of B, it holds column g, rows t (<paramref name="b0"/>)
    /// and t+4 (<paramref name="b1"/>). PTX ISA, Matrix Fragments for mma.m16n8k8; from sm_80 on.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 = 1 {2,3} 0", MinArchitecture = 80)]
    public static Float4 TF32(Float4 c, UInt4 a, uint b0, uint b1) => throw PtxInstructions.NeedsGpu("mma.sync");
}
