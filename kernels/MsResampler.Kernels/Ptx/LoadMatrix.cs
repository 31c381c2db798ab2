using ILGPU.IR.Intrinsics;

namespace MsResampler.Kernels.Ptx;

/// <summary>Loads 8×8 matrices of 16-bit elements from shared memory into the fragments of <see cref="Mma"/>. All
/// lanes of the warp take part. PTX ISA, Warp-level matrix load instruction: ldmatrix; from sm_75 on.
/// <para>Lanes 0–7 give the addresses of the rows of the first matrix, lanes 8–15 those of the second, and so on. An
/// address is one from <see cref="SharedMemoryAccess.AddressOf"/> plus a constant offset in bytes, and is aligned to
/// 16 bytes.</para>
/// <para>Lane l receives, from each matrix, row l / 4: column 2(l % 4) in the low half and column 2(l % 4) + 1 in
/// the high half. The transposed forms swap rows and columns.</para></summary>
internal static class LoadMatrix
{
    /// <summary>One matrix; the addresses of lanes 8–31 are ignored.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {=} [0+1]", MinArchitecture = 75)]
    public static uint X1(uint row, int byteOffset) => throw PtxInstructions.NeedsGpu("ldmatrix");

    /// <summary>Two matrices; the addresses of lanes 16–31 are ignored.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ldmatrix.sync.aligned.m8n8.x2.shared.b16 = [0+1]", MinArchitecture = 75)]
    public static UInt2 X2(uint row, int byteOffset) => throw PtxInstructions.NeedsGpu("ldmatrix");

    /// <summary>Four matrices.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ldmatrix.sync.aligned.m8n8.x4.shared.b16 = [0+1]", MinArchitecture = 75)]
    public static UInt4 X4(uint row, int byteOffset) => throw PtxInstructions.NeedsGpu("ldmatrix");

    /// <summary>One matrix, transposed; the addresses of lanes 8–31 are ignored.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {=} [0+1]", MinArchitecture = 75)]
    public static uint X1Transposed(uint row, int byteOffset) => throw PtxInstructions.NeedsGpu("ldmatrix");

    /// <summary>Two matrices, each transposed; the addresses of lanes 16–31 are ignored.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 = [0+1]", MinArchitecture = 75)]
    public static UInt2 X2Transposed(uint row, int byteOffset) => throw PtxInstructions.NeedsGpu("ldmatrix");

    /// <summary>Four matrices, each transposed.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 = [0+1]", MinArchitecture = 75)]
    public static UInt4 X4Transposed(uint row, int byteOffset) => throw PtxInstructions.NeedsGpu("ldmatrix");
}
