using ILGPU.IR.Intrinsics;

namespace MsResampler.Kernels.Ptx;

/// <summary>What a kernel tells the compiler of its loops.</summary>
internal static class Loop
{
    /// <summary>A constant that the compiler takes for computed: a loop up to it is left a loop. PTX ISA, mov; every
    /// architecture.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("mov.b32 = 0", OpenCl = "(int)")]
    public static int Rolled(int count) => count;
}
