using System.Reflection;
using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Tests.Ptx;

/// <summary>A kernel for each instruction: one lane per element; the result is the last parameter.</summary>
internal static class InstructionKernels
{
    /// <summary>The offset at which kernels with a constant offset access memory, in bytes.</summary>
    public const int ByteOffset = 64;

    /// <summary>The kernel with a name.</summary>
    public static MethodInfo Method(string name) => typeof(InstructionKernels).GetMethod(name)!;

    public static void Rolled(ArrayView<int> x, ArrayView<int> y) => y[Index] = Loop.Rolled(x[Index]);

    public static void Exp2(ArrayView<float> x, ArrayView<float> y) => y[Index] = PtxMath.Exp2(x[Index]);

    public static void Log2(ArrayView<float> x, ArrayView<float> y) => y[Index] = PtxMath.Log2(x[Index]);

    public static void Reciprocal(ArrayView<float> x, ArrayView<float> y) => y[Index] = PtxMath.Reciprocal(x[Index]);

    public static void ReciprocalSqrt(ArrayView<float> x, ArrayView<float> y) =>
        y[Index] = PtxMath.ReciprocalSqrt(x[Index]);

    public static void Fma(ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> y) =>
        y[Index] = PtxMath.Fma(a[Index], b[Index], c[Index]);

    public static void PackF16(ArrayView<float> low, ArrayView<float> high, ArrayView<uint> y) =>
        y[Index] = Pack.F16(low[Index], high[Index]);

    public static void PackBF16(ArrayView<float> low, ArrayView<float> high, ArrayView<uint> y) =>
        y[Index] = Pack.BF16(low[Index], high[Index]);

    public static void PackTF32(ArrayView<float> x, ArrayView<uint> y) => y[Index] = Pack.TF32(x[Index]);

    public static void MmaF16(ArrayView<Float4> c, ArrayView<UInt4> a, ArrayView<UInt2> b, ArrayView<Float4> d) =>
        d[Index] = Mma.F16(c[Index], a[Index], b[Index].X, b[Index].Y);

    public static void MmaBF16(ArrayView<Float4> c, ArrayView<UInt4> a, ArrayView<UInt2> b, ArrayView<Float4> d) =>
        d[Index] = Mma.BF16(c[Index], a[Index], b[Index].X, b[Index].Y);

    public static void MmaTF32(ArrayView<Float4> c, ArrayView<UInt4> a, ArrayView<UInt2> b, ArrayView<Float4> d) =>
        d[Index] = Mma.TF32(c[Index], a[Index], b[Index].X, b[Index].Y);

    public static void LoadMatrixX1(ArrayView<UInt4> image, ArrayView<uint> rows, ArrayView<uint> y) =>
        y[Index] = LoadMatrix.X1(Fill(image) + rows[Index], ByteOffset);

    public static void LoadMatrixX2(ArrayView<UInt4> image, ArrayView<uint> rows, ArrayView<UInt2> y) =>
        y[Index] = LoadMatrix.X2(Fill(image) + rows[Index], ByteOffset);

    public static void LoadMatrixX4(ArrayView<UInt4> image, ArrayView<uint> rows, ArrayView<UInt4> y) =>
        y[Index] = LoadMatrix.X4(Fill(image) + rows[Index], ByteOffset);

    public static void LoadMatrixX1Transposed(ArrayView<UInt4> image, ArrayView<uint> rows, ArrayView<uint> y) =>
        y[Index] = LoadMatrix.X1Transposed(Fill(image) + rows[Index], ByteOffset);

    public static void LoadMatrixX2Transposed(ArrayView<UInt4> image, ArrayView<uint> rows, ArrayView<UInt2> y) =>
        y[Index] = LoadMatrix.X2Transposed(Fill(image) + rows[Index], ByteOffset);

    public static void LoadMatrixX4Transposed(ArrayView<UInt4> image, ArrayView<uint> rows, ArrayView<UInt4> y) =>
        y[Index] = LoadMatrix.X4Transposed(Fill(image) + rows[Index], ByteOffset);

    /// <summary>Copies 16 bytes per lane in two groups, and waits for the first group while the second is
    /// pending.</summary>
    public static void AsyncCopyGroups(ArrayView<float> first, ArrayView<ushort> second, ArrayView<UInt4> y)
    {
        ArrayView<UInt4> shared = SharedMemory.Allocate<UInt4>(2 * 32);
        uint address = SharedMemoryAccess.AddressOf(ref shared[Index]);
        AsyncCopy.Start(address, 0, ref first[4 * Index]);
        AsyncCopy.Commit();
        AsyncCopy.Start(address, 32 * 16, ref second[8 * Index]);
        AsyncCopy.Commit();
        AsyncCopy.Wait(1);
        Group.Barrier();
        y[Index] = shared[31 - Index];
        AsyncCopy.Wait(0);
        Group.Barrier();
        y[32 + Index] = shared[32 + 31 - Index];
    }

    public static void AsyncCopyOrZero(ArrayView<float> source, ArrayView<int> byteCounts, ArrayView<UInt4> y)
    {
        ArrayView<UInt4> shared = SharedMemory.Allocate<UInt4>(32);
        uint address = SharedMemoryAccess.AddressOf(ref shared[Index]);
        AsyncCopy.StartOrZero(address, 0, ref source[4 * Index], byteCounts[Index]);
        AsyncCopy.Commit();
        AsyncCopy.Wait(0);
        y[Index] = shared[Index];
    }

    public static void AsyncCopyOrZeroFromOffset(ArrayView<float> source, ArrayView<int> byteCounts,
        ArrayView<UInt4> y)
    {
        ArrayView<UInt4> shared = SharedMemory.Allocate<UInt4>(32);
        uint address = SharedMemoryAccess.AddressOf(ref shared[Index]);
        AsyncCopy.StartOrZero(address, 0, ref source[4 * Index], 16, byteCounts[Index]);
        AsyncCopy.Commit();
        AsyncCopy.Wait(0);
        y[Index] = shared[Index];
    }

    public static void SharedFloat(ArrayView<float> x, ArrayView<float> y)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(64);
        uint address = SharedMemoryAccess.AddressOf(ref shared[0]);
        SharedMemoryAccess.Store(address + (4u * (uint)Index), ByteOffset, x[Index]);
        Group.Barrier();
        y[Index] = SharedMemoryAccess.LoadFloat(address + (4u * (uint)(31 - Index)), ByteOffset);
    }

    public static void SharedFloat4(ArrayView<Float4> x, ArrayView<Float4> y)
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(64);
        uint address = SharedMemoryAccess.AddressOf(ref shared[0]);
        SharedMemoryAccess.Store(address + (16u * (uint)Index), ByteOffset, x[Index]);
        Group.Barrier();
        y[Index] = SharedMemoryAccess.LoadFloat4(address + (16u * (uint)(31 - Index)), ByteOffset);
    }

    public static void SharedUInt4(ArrayView<UInt4> x, ArrayView<UInt4> y)
    {
        ArrayView<UInt4> shared = SharedMemory.Allocate<UInt4>(64);
        uint address = SharedMemoryAccess.AddressOf(ref shared[0]);
        SharedMemoryAccess.Store(address + (16u * (uint)Index), ByteOffset, x[Index]);
        Group.Barrier();
        y[Index] = SharedMemoryAccess.LoadUInt4(address + (16u * (uint)(31 - Index)), ByteOffset);
    }

    public static void GlobalFloat4(ArrayView<float> x, ArrayView<float> y) =>
        GlobalMemoryAccess.Store(ref y[4 * Index], GlobalMemoryAccess.LoadFloat4(ref x[4 * Index]));

    public static void GlobalUInt4(ArrayView<ushort> x, ArrayView<ushort> y) =>
        GlobalMemoryAccess.Store(ref y[8 * Index], GlobalMemoryAccess.LoadUInt4(ref x[8 * Index]));

    public static void GlobalConstantFloat4(ArrayView<float> x, ArrayView<float> y) =>
        GlobalMemoryAccess.Store(ref y[4 * Index], GlobalMemoryAccess.LoadConstantFloat4(ref x[4 * Index]));

    public static void GlobalConstantUInt4(ArrayView<ushort> x, ArrayView<ushort> y) =>
        GlobalMemoryAccess.Store(ref y[8 * Index], GlobalMemoryAccess.LoadConstantUInt4(ref x[8 * Index]));

    /// <summary>ILGPU's own shuffles, which the kernels use.</summary>
    public static void Shuffles(ArrayView<float> x, ArrayView<float> y)
    {
        float value = x[Index];
        y[Index] = Warp.ShuffleXor(value, 5);
        y[32 + Index] = Warp.Shuffle(value, 31 - Index);
        y[64 + Index] = Warp.ShuffleDown(value, 3);
        y[96 + Index] = Warp.ShuffleUp(value, 3);
    }

    private static int Index => (Grid.IdxX * Group.DimX) + Group.IdxX;

    /// <summary>Copies 1 KiB to shared memory and returns its address minus the constant offset.</summary>
    private static uint Fill(ArrayView<UInt4> image)
    {
        ArrayView<UInt4> shared = SharedMemory.Allocate<UInt4>(64);
        shared[Index] = image[Index];
        shared[32 + Index] = image[32 + Index];
        Group.Barrier();
        return SharedMemoryAccess.AddressOf(ref shared[0]) - ByteOffset;
    }
}
