using ILGPU.IR.Intrinsics;

namespace MsResampler.Kernels.Ptx;

/// <summary>Loads of 8×8 matrices of 16-bit elements from shared memory into the fragments of <see cref="Mma"/>. Lanes
/// 0–7 give the addresses of the rows of the first matrix, 8–15 of the second, and so on, each aligned to 16 bytes:
/// an address of <see cref="SharedMemoryAccess.AddressOf"/> plus a constant number of bytes. Lane l receives of each
/// matrix row l / 4, columns 2(l % 4) in the low and 2(l % 4) + 1 in the high half; transposed, of column l / 4 these
/// rows. Every lane of the warp takes part. PTX ISA, Warp-level matrix load instruction: ldmatrix; from sm_75
/// on.</summary>
internal static class LoadMatrix
{
    /// <summary>One matrix; lanes 8–31 give addresses that are not used.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {=} [0+1]", MinArchitecture = 75)]
    public static uint X1(uint row, int byteOffset) => throw PtxInstructions.NeedsGpu("ldmatrix");

    /// <summary>Two matrices; lanes 16–31 give addresses that are not used.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ldmatrix.sync.aligned.m8n8.x2.shared.b16 = [0+1]", MinArchitecture = 75)]
    public static UInt2 X2(uint row, int byteOffset) => throw PtxInstructions.NeedsGpu("ldmatrix");

    /// <summary>Four matrices.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ldmatrix.sync.aligned.m8n8.x4.shared.b16 = [0+1]", MinArchitecture = 75)]
    public static UInt4 X4(uint row, int byteOffset) => throw PtxInstructions.NeedsGpu("ldmatrix");

    /// <summary>One matrix, transposed.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {=} [0+1]", MinArchitecture = 75)]
    public static uint X1Transposed(uint row, int byteOffset) => throw PtxInstructions.NeedsGpu("ldmatrix");

    /// <summary>Two matrices, each transposed.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 = [0+1]", MinArchitecture = 75)]
    public static UInt2 X2Transposed(uint row, int byteOffset) => throw PtxInstructions.NeedsGpu("ldmatrix");

    /// <summary>Four matrices, each transposed.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 = [0+1]", MinArchitecture = 75)]
    public static UInt4 X4Transposed(uint row, int byteOffset) => throw PtxInstructions.NeedsGpu("ldmatrix");
}
