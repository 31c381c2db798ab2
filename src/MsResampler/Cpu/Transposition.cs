using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MsResampler.Cpu;

/// <summary>Transposes matrices. Packing transposes every weight of a model, and one by one it took
/// half of the time of loading.</summary>
internal static unsafe class Transposition
{
    /// <summary>Rows and columns of a block that is transposed in registers.</summary>
    private const int Block = 8;

    /// <summary>Bytes of a cache line. The lines of a source whose rows are 4 KiB apart all map to the same set of the
    /// first-level cache, so a line is read completely before the next row.</summary>
    private const int LineBytes = 64;

    /// <summary>Writes the transpose of a matrix of floats or 16-bit elements.</summary>
    /// <param name="source">[<paramref name="rowCount"/>, <paramref name="columnCount"/>].</param>
    /// <param name="sourceStride">Elements between rows of <paramref name="source"/>.</param>
    /// <param name="rowCount">Rows of <paramref name="source"/>.</param>
    /// <param name="columnCount">Columns of <paramref name="source"/>.</param>
    /// <param name="target">Receives [<paramref name="columnCount"/>, <paramref name="rowCount"/>]. It must not
    /// overlap <paramref name="source"/>.</param>
    /// <param name="targetStride">Elements between rows of <paramref name="target"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<T>(T* source, nint sourceStride, int rowCount, int columnCount, T* target,
        nint targetStride)
        where T : unmanaged
    {
        Debug.Assert(typeof(T) == typeof(float) || typeof(T) == typeof(ushort));
        if (typeof(T) == typeof(float))
            Run<float, FloatBlock>((float*)source, sourceStride, rowCount, columnCount, (float*)target, targetStride);
        else
            Run<ushort, ShortBlock>((ushort*)source, sourceStride, rowCount, columnCount, (ushort*)target,
                targetStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Run<T, TBlock>(T* source, nint sourceStride, int rowCount, int columnCount, T* target,
        nint targetStride)
        where T : unmanaged
        where TBlock : struct, IBlock<T>
    {
        int lineLength = LineBytes / sizeof(T);
        for (int first = 0; first < columnCount; first += lineLength)
        {
            int end = Math.Min(first + lineLength, columnCount);
            for (int row = 0; row < rowCount; row += Block)
            {
                for (int column = first; column < end; column += Block)
                {
                    T* from = source + (row * sourceStride) + column;
                    T* to = target + (column * targetStride) + row;
                    if (TBlock.IsSupported && row + Block <= rowCount && column + Block <= end)
                        TBlock.Run(from, sourceStride, to, targetStride);
                    else
                        RunSingly(from, sourceStride, Math.Min(Block, rowCount - row), Math.Min(Block, end - column),
                            to, targetStride);
                }
            }
        }
    }

    private static void RunSingly<T>(T* source, nint sourceStride, int rowCount, int columnCount, T* target,
        nint targetStride)
        where T : unmanaged
    {
        for (int row = 0; row < rowCount; row++)
            for (int column = 0; column < columnCount; column++)
                target[(column * targetStride) + row] = source[(row * sourceStride) + column];
    }

    /// <summary>Transposes <see cref="Block"/> rows and columns.</summary>
    private interface IBlock<T>
        where T : unmanaged
    {
        static abstract bool IsSupported { get; }

        static abstract void Run(T* source, nint sourceStride, T* target, nint targetStride);
    }

    private readonly struct FloatBlock : IBlock<float>
    {
        public static bool IsSupported => Avx.IsSupported;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Run(float* source, nint sourceStride, float* target, nint targetStride)
        {
            Vector256<float> a0 = Vector256.Load(source);
            Vector256<float> a1 = Vector256.Load(source += sourceStride);
            Vector256<float> a2 = Vector256.Load(source += sourceStride);
            Vector256<float> a3 = Vector256.Load(source += sourceStride);
            Vector256<float> a4 = Vector256.Load(source += sourceStride);
            Vector256<float> a5 = Vector256.Load(source += sourceStride);
            Vector256<float> a6 = Vector256.Load(source += sourceStride);
            Vector256<float> a7 = Vector256.Load(source + sourceStride);
            // Pairs of rows, then groups of four: both work on halves of four floats. The halves are exchanged last.
            Vector256<float> b0 = Avx.UnpackLow(a0, a1), b1 = Avx.UnpackHigh(a0, a1);
            Vector256<float> b2 = Avx.UnpackLow(a2, a3), b3 = Avx.UnpackHigh(a2, a3);
            Vector256<float> b4 = Avx.UnpackLow(a4, a5), b5 = Avx.UnpackHigh(a4, a5);
            Vector256<float> b6 = Avx.UnpackLow(a6, a7), b7 = Avx.UnpackHigh(a6, a7);
            const byte Low = 0x44, High = 0xee, LowerHalves = 0x20, UpperHalves = 0x31;
            a0 = Avx.Shuffle(b0, b2, Low);
            a1 = Avx.Shuffle(b0, b2, High);
            a2 = Avx.Shuffle(b1, b3, Low);
            a3 = Avx.Shuffle(b1, b3, High);
            a4 = Avx.Shuffle(b4, b6, Low);
            a5 = Avx.Shuffle(b4, b6, High);
            a6 = Avx.Shuffle(b5, b7, Low);
            a7 = Avx.Shuffle(b5, b7, High);
            Avx.Permute2x128(a0, a4, LowerHalves).Store(target);
            Avx.Permute2x128(a1, a5, LowerHalves).Store(target += targetStride);
            Avx.Permute2x128(a2, a6, LowerHalves).Store(target += targetStride);
            Avx.Permute2x128(a3, a7, LowerHalves).Store(target += targetStride);
            Avx.Permute2x128(a0, a4, UpperHalves).Store(target += targetStride);
            Avx.Permute2x128(a1, a5, UpperHalves).Store(target += targetStride);
            Avx.Permute2x128(a2, a6, UpperHalves).Store(target += targetStride);
            Avx.Permute2x128(a3, a7, UpperHalves).Store(target + targetStride);
        }
    }

    private readonly struct ShortBlock : IBlock<ushort>
    {
        public static bool IsSupported => Sse2.IsSupported;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Run(ushort* source, nint sourceStride, ushort* target, nint targetStride)
        {
            Vector128<ushort> a0 = Vector128.Load(source);
            Vector128<ushort> a1 = Vector128.Load(source += sourceStride);
            Vector128<ushort> a2 = Vector128.Load(source += sourceStride);
            Vector128<ushort> a3 = Vector128.Load(source += sourceStride);
            Vector128<ushort> a4 = Vector128.Load(source += sourceStride);
            Vector128<ushort> a5 = Vector128.Load(source += sourceStride);
            Vector128<ushort> a6 = Vector128.Load(source += sourceStride);
            Vector128<ushort> a7 = Vector128.Load(source + sourceStride);
            // Pairs of rows, groups of four, then all eight: elements of 16, 32 and 64 bits alternate.
            Vector128<uint> b0 = Sse2.UnpackLow(a0, a1).AsUInt32(), b1 = Sse2.UnpackHigh(a0, a1).AsUInt32();
            Vector128<uint> b2 = Sse2.UnpackLow(a2, a3).AsUInt32(), b3 = Sse2.UnpackHigh(a2, a3).AsUInt32();
            Vector128<uint> b4 = Sse2.UnpackLow(a4, a5).AsUInt32(), b5 = Sse2.UnpackHigh(a4, a5).AsUInt32();
            Vector128<uint> b6 = Sse2.UnpackLow(a6, a7).AsUInt32(), b7 = Sse2.UnpackHigh(a6, a7).AsUInt32();
            Vector128<ulong> c0 = Sse2.UnpackLow(b0, b2).AsUInt64(), c1 = Sse2.UnpackHigh(b0, b2).AsUInt64();
            Vector128<ulong> c2 = Sse2.UnpackLow(b1, b3).AsUInt64(), c3 = Sse2.UnpackHigh(b1, b3).AsUInt64();
            Vector128<ulong> c4 = Sse2.UnpackLow(b4, b6).AsUInt64(), c5 = Sse2.UnpackHigh(b4, b6).AsUInt64();
            Vector128<ulong> c6 = Sse2.UnpackLow(b5, b7).AsUInt64(), c7 = Sse2.UnpackHigh(b5, b7).AsUInt64();
            Sse2.UnpackLow(c0, c4).AsUInt16().Store(target);
            Sse2.UnpackHigh(c0, c4).AsUInt16().Store(target += targetStride);
            Sse2.UnpackLow(c1, c5).AsUInt16().Store(target += targetStride);
            Sse2.UnpackHigh(c1, c5).AsUInt16().Store(target += targetStride);
            Sse2.UnpackLow(c2, c6).AsUInt16().Store(target += targetStride);
            Sse2.UnpackHigh(c2, c6).AsUInt16().Store(target += targetStride);
            Sse2.UnpackLow(c3, c7).AsUInt16().Store(target += targetStride);
            Sse2.UnpackHigh(c3, c7).AsUInt16().Store(target + targetStride);
        }
    }
}
