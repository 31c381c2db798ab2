using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;

namespace MsResampler.Training.Products;

/// <summary>Sums of the columns of a matrix, or of the products of two matrices: the gradients of biases and of layer
/// norms.</summary>
/// <remarks>Partial sums over a fixed number of rows keep the rounding error of long sums small.</remarks>
internal static unsafe class ColumnSums<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Rows of a partial sum.</summary>
    private const int PartRows = 256;

    /// <summary>Columns of a task.</summary>
    public const int TaskColumns = 64;

    /// <summary>The number of tasks.</summary>
    public static int TaskCount(int columnCount) => (columnCount + TaskColumns - 1) / TaskColumns;

    /// <summary>Adds the sums of the columns of a task.</summary>
    /// <param name="task">The task.</param>
    /// <param name="matrix">[<paramref name="rowCount"/>, <paramref name="columnCount"/>].</param>
    /// <param name="stride">Floats between rows.</param>
    /// <param name="rowCount">The number of rows.</param>
    /// <param name="columnCount">The number of columns.</param>
    /// <param name="sums">The sums, [<paramref name="columnCount"/>], which are added to.</param>
    public static void Add(int task, float* matrix, nint stride, int rowCount, int columnCount, float* sums)
    {
        int end = Math.Min((task + 1) * TaskColumns, columnCount);
        int column = task * TaskColumns;
        for (; column + TSimd.Width <= end; column += TSimd.Width)
            AddVector(matrix + column, stride, rowCount, sums + column);
        for (; column < end; column++)
            ColumnSums<SimdScalar, float>.AddVector(matrix + column, stride, rowCount, sums + column);
    }

    /// <summary>Adds the sums of the columns of the elementwise product of two matrices, like
    /// <see cref="Add"/>.</summary>
    public static void AddProducts(int task, float* a, nint aStride, float* b, nint bStride, int rowCount,
        int columnCount, float* sums)
    {
        int end = Math.Min((task + 1) * TaskColumns, columnCount);
        int column = task * TaskColumns;
        for (; column + TSimd.Width <= end; column += TSimd.Width)
            AddVector(a + column, aStride, b + column, bStride, rowCount, sums + column);
        for (; column < end; column++)
            ColumnSums<SimdScalar, float>.AddVector(a + column, aStride, b + column, bStride, rowCount, sums + column);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddVector(float* matrix, nint stride, int rowCount, float* sums)
    {
        for (int first = 0; first < rowCount; first += PartRows)
        {
            TVector even = TSimd.Zero, odd = TSimd.Zero;
            int count = Math.Min(PartRows, rowCount - first);
            for (; count >= 2; count -= 2, matrix += 2 * stride)
            {
                even = TSimd.Add(even, TSimd.Load(matrix));
                odd = TSimd.Add(odd, TSimd.Load(matrix + stride));
            }

            if (count == 1)
                even = TSimd.Add(even, TSimd.Load(matrix));
            TSimd.Store(sums, TSimd.Add(TSimd.Load(sums), TSimd.Add(even, odd)));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddVector(float* a, nint aStride, float* b, nint bStride, int rowCount, float* sums)
    {
        for (int first = 0; first < rowCount; first += PartRows)
        {
            TVector even = TSimd.Zero, odd = TSimd.Zero;
            int count = Math.Min(PartRows, rowCount - first);
            for (; count >= 2; count -= 2, a += 2 * aStride, b += 2 * bStride)
            {
                even = TSimd.MultiplyAdd(TSimd.Load(a), TSimd.Load(b), even);
                odd = TSimd.MultiplyAdd(TSimd.Load(a + aStride), TSimd.Load(b + bStride), odd);
            }

            if (count == 1)
                even = TSimd.MultiplyAdd(TSimd.Load(a), TSimd.Load(b), even);
            TSimd.Store(sums, TSimd.Add(TSimd.Load(sums), TSimd.Add(even, odd)));
        }
    }
}
