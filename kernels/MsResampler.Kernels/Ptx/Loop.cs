using ILGPU.IR.Intrinsics;

namespace MsResampler.Kernels.Ptx;

/// <summary>Hints to the compiler about loops.</summary>
internal static class Loop
{
    /// <summary>Hides a constant from the compiler, so that a loop up to it is not unrolled. PTX ISA, mov; every
    /// architecture.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("mov.b32 = 0", OpenCl = "(int)")]
    public static int Rolled(int count) => count;
}
