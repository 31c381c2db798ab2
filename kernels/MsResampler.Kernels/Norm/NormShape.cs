using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Norm;

/// <summary>The extents of a layer normalisation. A vector is 16 bytes: four elements of 32 bits or eight of 16
/// bits.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NormShape
{
    /// <summary>Rows.</summary>
    public int RowCount;

    /// <summary>Elements in a row.</summary>
    public int Width;

    /// <summary>Vectors from one row of the source to the next.</summary>
    public int SourceStride;

    /// <summary>Vectors from one row of the destination to the next.</summary>
    public int Stride;

    /// <summary>√ε.</summary>
    public float RootEpsilon;
}
