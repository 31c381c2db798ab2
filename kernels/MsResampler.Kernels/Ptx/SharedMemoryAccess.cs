using ILGPU.IR.Intrinsics;

namespace MsResampler.Kernels.Ptx;

/// <summary>Accesses to shared memory by 32-bit address, which make a constant offset part of the
/// instruction.</summary>
internal static class SharedMemoryAccess
{
    /// <summary>The address of an element in shared memory. PTX ISA, cvt.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("cvt.u32.u64 = s0")]
    public static uint AddressOf<T>(ref T element)
        where T : unmanaged => throw PtxInstructions.NeedsGpu("a shared address");

    /// <summary>Loads 16 bytes. PTX ISA, ld.shared.v4.</summary>
    /// <param name="address">An address from <see cref="AddressOf"/>.</param>
    /// <param name="byteOffset">A constant offset in bytes; the sum is aligned to 16 bytes.</param>
    [IntrinsicImplementation]
    [PtxInstruction("ld.shared.v4.f32 = [0+1]")]
    public static Float4 LoadFloat4(uint address, int byteOffset) => throw PtxInstructions.NeedsGpu("a shared address");

    /// <summary>Like <see cref="LoadFloat4"/>, as integers.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ld.shared.v4.b32 = [0+1]")]
    public static UInt4 LoadUInt4(uint address, int byteOffset) => throw PtxInstructions.NeedsGpu("a shared address");

    /// <summary>Loads 4 bytes from an address aligned to 4 bytes. PTX ISA, ld.shared.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ld.shared.f32 = [0+1]")]
    public static float LoadFloat(uint address, int byteOffset) => throw PtxInstructions.NeedsGpu("a shared address");

    /// <summary>Stores 4 bytes; the address is as for <see cref="LoadFloat"/>. PTX ISA, st.shared.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("st.shared.f32 [0+1] 2")]
    public static void Store(uint address, int byteOffset, float value) =>
        throw PtxInstructions.NeedsGpu("a shared address");

    /// <summary>Stores 16 bytes; the address is as for <see cref="LoadFloat4"/>. PTX ISA, st.shared.v4.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("st.shared.v4.f32 [0+1] 2")]
    public static void Store(uint address, int byteOffset, Float4 value) =>
        throw PtxInstructions.NeedsGpu("a shared address");

    /// <summary>Like <see cref="Store(uint, int, Float4)"/>, for integers.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("st.shared.v4.b32 [0+1] 2")]
    public static void Store(uint address, int byteOffset, UInt4 value) =>
        throw PtxInstructions.NeedsGpu("a shared address");
}
