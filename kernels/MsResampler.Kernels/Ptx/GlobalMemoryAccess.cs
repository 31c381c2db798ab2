using System.Runtime.CompilerServices;
using ILGPU.IR.Intrinsics;

namespace MsResampler.Kernels.Ptx;

/// <summary>Accesses to 16 bytes of global memory at the address of an element of any type, aligned to 16 bytes.
/// They serve where a view of a 16-byte structure is not available.</summary>
internal static class GlobalMemoryAccess
{
    /// <summary>Loads 16 bytes. PTX ISA, ld.global.v4.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ld.global.v4.f32 = [g0]")]
    public static Float4 LoadFloat4<T>(ref T element)
        where T : unmanaged => Unsafe.As<T, Float4>(ref element);

    /// <summary>Like <see cref="LoadFloat4"/>, as integers. PTX ISA, ld.global.v4.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ld.global.v4.b32 = [g0]")]
    public static UInt4 LoadUInt4<T>(ref T element)
        where T : unmanaged => Unsafe.As<T, UInt4>(ref element);

    /// <summary>Loads 16 bytes that are not written while the kernel runs, through the read-only cache. PTX ISA,
    /// ld.global.nc.v4.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ld.global.nc.v4.f32 = [g0]")]
    public static Float4 LoadConstantFloat4<T>(ref T element)
        where T : unmanaged => Unsafe.As<T, Float4>(ref element);

    /// <summary>Like <see cref="LoadConstantFloat4"/>, as integers. PTX ISA, ld.global.nc.v4.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("ld.global.nc.v4.b32 = [g0]")]
    public static UInt4 LoadConstantUInt4<T>(ref T element)
        where T : unmanaged => Unsafe.As<T, UInt4>(ref element);

    /// <summary>Stores 16 bytes. PTX ISA, st.global.v4.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("st.global.v4.f32 [g0] 1")]
    public static void Store<T>(ref T element, Float4 value)
        where T : unmanaged => Unsafe.As<T, Float4>(ref element) = value;

    /// <summary>Like <see cref="Store{T}(ref T, Float4)"/>, for integers. PTX ISA, st.global.v4.</summary>
    [IntrinsicImplementation]
    [PtxInstruction("st.global.v4.b32 [g0] 1")]
    public static void Store<T>(ref T element, UInt4 value)
        where T : unmanaged => Unsafe.As<T, UInt4>(ref element) = value;
}
