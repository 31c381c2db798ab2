using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Gemm;

/// <summary>The extents and strides of products C = A·Wᵀ + bias of one size. A quad is four neighbouring elements, a
/// vector 16 bytes: A and W are read in vectors, C and the bias are accessed in quads. In float32 a quad is a
/// vector.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GemmLayout
{
    /// <summary>Rows of A and C.</summary>
    public int RowCount;

    /// <summary>Quads in a row of C.</summary>
    public int ColumnQuads;

    /// <summary>Vectors in a row of A and W.</summary>
    public int InnerVectors;

    /// <summary>Vectors from one row of A to the next.</summary>
    public int AStride;

    /// <summary>Vectors from one row of W to the next.</summary>
    public int WStride;

    /// <summary>Quads from one row of C to the next.</summary>
    public int CRowStride;

    /// <summary>Quads from one quad of a row of C to the next: 1 if C is row-major.</summary>
    public int CColumnStride;

    /// <summary>Vectors from the A of one product to that of the next.</summary>
    public int ABatchStride;

    /// <summary>Vectors from the W of one product to that of the next.</summary>
    public int WBatchStride;

    /// <summary>Quads from the bias of one product to that of the next.</summary>
    public int BiasBatchStride;

    /// <summary>Quads from the C of one product to that of the next.</summary>
    public int CBatchStride;

    /// <summary>The number of row 0 in the <see cref="OverflowNote"/>.</summary>
    public int FirstNoted;

    /// <summary>An element becomes NaN unless its magnitude is less than this.</summary>
    public float Limit;
}
