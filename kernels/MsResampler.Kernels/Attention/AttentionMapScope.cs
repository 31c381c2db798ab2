using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Attention;

/// <summary>The scope and the frame whose maps <see cref="AttentionMapWarp"/> computes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct AttentionMapScope
{
    /// <summary>The index of the scope's first query in vectors of four floats.</summary>
    public int QueryStart;

    /// <summary>Columns of the query grid.</summary>
    public int QueryColumns;

    /// <summary>Vectors of four floats in a head.</summary>
    public int HeadVectors;

    /// <summary>The scope whose keys are used.</summary>
    public int KeyScope;

    /// <summary>The first patch of the frame among the patches of all frames.</summary>
    public int FirstPatch;

    /// <summary>Patches of all frames.</summary>
    public int PatchStride;

    /// <summary>Rows of the patch grid.</summary>
    public int GridRows;

    /// <summary>Columns of the patch grid.</summary>
    public int GridColumns;

    /// <summary>The index of the row bias of query row 0 and head 0.</summary>
    public int RowBias;

    /// <summary>The index of the column bias of query column 0 and head 0.</summary>
    public int ColumnBias;

    /// <summary>The distance between the biases of neighbouring heads; 0 if heads share them.</summary>
    public int BiasHeadStride;
}
