using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MsResampler.Cpu;

/// <summary>Transposes matrices of floats. Packing transposes every weight of a model, and with single floats it took
/// half of the time of loading.</summary>
internal static unsafe class Transposition
{
    /// <summary>Rows and columns of a block that is transposed in registers.</summary>
    private const int Block = 8;

    /// <summary>Floats of a cache line. The lines of a source whose rows are 4 KiB apart all map to the same set of the
    /// first-level cache, so a line is read completely before the next row.</summary>
    private const int LineFloats = 16;

    /// <summary>Writes the transpose of a matrix.</summary>
    /// <param name="source">[<paramref name="rowCount"/>, <paramref name="columnCount"/>].</param>
    /// <param name="sourceStride">Floats between rows of <paramref name="source"/>.</param>
    /// <param name="rowCount">Rows of <paramref name="source"/>.</param>
    /// <param name="columnCount">Columns of <paramref name="source"/>.</param>
    /// <param name="target">Receives [<paramref name="columnCount"/>, <paramref name="rowCount"/>]. It must not
    /// overlap <paramref name="source"/>.</param>
    /// <param name="targetStride">Floats between rows of <paramref name="target"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(float* source, nint sourceStride, int rowCount, int columnCount, float* target,
        nint targetStride)
    {
        for (int first = 0; first < columnCount; first += LineFloats)
        {
            int end = Math.Min(first + LineFloats, columnCount);
            for (int row = 0; row < rowCount; row += Block)
            {
                for (int column = first; column < end; column += Block)
                {
                    float* from = source + (row * sourceStride) + column;
                    float* to = target + (column * targetStride) + row;
                    if (Avx.IsSupported && row + Block <= rowCount && column + Block <= end)
                        RunBlock(from, sourceStride, to, targetStride);
                    else
                        RunSingly(from, sourceStride, Math.Min(Block, rowCount - row), Math.Min(Block, end - column),
                            to, targetStride);
                }
            }
        }
    }

    private static void RunSingly(float* source, nint sourceStride, int rowCount, int columnCount, float* target,
        nint targetStride)
    {
        for (int row = 0; row < rowCount; row++)
            for (int column = 0; column < columnCount; column++)
                target[(column * targetStride) + row] = source[(row * sourceStride) + column];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RunBlock(float* source, nint sourceStride, float* target, nint targetStride)
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
