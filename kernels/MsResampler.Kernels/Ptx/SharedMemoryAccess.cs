using ILGPU.IR.Intrinsics;

namespace MsResampler.Kernels.Ptx;

/// <summary>Shared memory by 32-bit address, so that constant offsets become part of the instruction.</summary>
internal static class SharedMemoryAccess
{
    /// <summary>The address of an element of shared memory. PTX ISA, cvt.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("cvt.u32.u64 = s0")]
    public static uint AddressOf<T>(ref T element)
        where T : unmanaged => throw PtxInstructions.NeedsGpu("a shared address");

    /// <summary>Loads 16 bytes. PTX ISA, ld.shared.v4.</summary>
    /// <param name="address">An address of <see cref="AddressOf"/>.</param>
    /// <param name="byteOffset">A constant number of bytes after it; the sum is aligned to 16 bytes.</param>
    [IntrinsicImplementation]
    [PtxInstruction("ld.shared.v4.f32 = [0+1]")]
    public static Float4 LoadFloat4(uint address, int byteOffset) => throw PtxInstructions.NeedsGpu("a shared address");

    /// <summary>As <see cref="LoadFloat4"/>.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ld.shared.v4.b32 = [0+1]")]
    public static UInt4 LoadUInt4(uint address, int byteOffset) => throw PtxInstructions.NeedsGpu("a shared address");

    /// <summary>Loads four bytes, from an address aligned to as many. PTX ISA, ld.shared.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ld.shared.f32 = [0+1]")]
    public static float LoadFloat(uint address, int byteOffset) => throw PtxInstructions.NeedsGpu("a shared address");

    /// <summary>Stores four bytes where <see cref="LoadFloat"/> loads them. PTX ISA, st.shared.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("st.shared.f32 [0+1] 2")]
    public static void Store(uint address, int byteOffset, float value) =>
        throw PtxInstructions.NeedsGpu("a shared address");

    /// <summary>Stores 16 bytes where <see cref="LoadFloat4"/> loads them. PTX ISA, st.shared.v4.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("st.shared.v4.f32 [0+1] 2")]
    public static void Store(uint address, int byteOffset, Float4 value) =>
        throw PtxInstructions.NeedsGpu("a shared address");

    /// <summary>As <see cref="Store(uint, int, Float4)"/>.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("st.shared.v4.b32 [0+1] 2")]
    public static void Store(uint address, int byteOffset, UInt4 value) =>
        throw PtxInstructions.NeedsGpu("a shared address");
}
