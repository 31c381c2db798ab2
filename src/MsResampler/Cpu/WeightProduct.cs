using MsResampler.Cpu.Integer;
using MsResampler.Cpu.Simd;

namespace MsResampler.Cpu;

/// <summary>A whole product of a few rows with a weight matrix of any kind, on the calling thread.</summary>
internal static unsafe class WeightProduct<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Floats of scratch memory for <paramref name="rowCount"/> rows.</summary>
    public static int ScratchCount(WeightMatrix matrix, int rowCount)
        => matrix is not IntegerMatrix integers ? ((PackedMatrix)matrix).ScratchCount
        : (int)IntegerRows.FloatsOf(rowCount, integers);

    /// <summary>Computes <c>C = A·B + bias</c>.</summary>
    /// <param name="a">A, [<paramref name="rowCount"/>, inner].</param>
    /// <param name="aStride">Floats between rows of A.</param>
    /// <param name="rowCount">The number of rows, at least 1.</param>
    /// <param name="matrix">B with its bias.</param>
    /// <param name="c">Receives C.</param>
    /// <param name="cStride">Floats between rows of C.</param>
    /// <param name="scratch"><see cref="ScratchCount"/> floats, aligned to 64 bytes.</param>
    public static void Run(float* a, nint aStride, int rowCount, WeightMatrix matrix, float* c, nint cStride,
        float* scratch)
    {
        if (matrix is not IntegerMatrix integers)
        {
            PackedMatrix packed = (PackedMatrix)matrix;
            for (int panel = 0; panel < matrix.PanelCount; panel++)
                Gemm<TSimd, TVector>.Panel(a, aStride, rowCount, packed, panel, c, cStride,
                    values: packed.Panel(panel, scratch));
            return;
        }

        IntegerRows rows = new(scratch, rowCount, integers.InnerCount, integers.Type, integers.Kernel);
        for (int row = 0; row < rowCount; row++)
            Quantiser<TSimd, TVector>.Quantise(a + (row * aStride), integers.InverseSmoothing, rows, row);
        for (int panel = 0; panel < matrix.PanelCount; panel++)
            IntegerGemm<TSimd, TVector>.Panel(rows, 0, rowCount, integers, panel, c, cStride);
    }
}
