using System.Runtime.InteropServices;
using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Attention;

/// <summary>The window of a query row over the patch rows, or of a query column over the patch columns. 16
/// bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct AxisWindow
{
    /// <summary>The first visible patch row or column.</summary>
    public int Start;

    /// <summary>The number of visible patch rows or columns.</summary>
    public int Count;

    /// <summary>The index of the bias of patch row or column 0 in the tables of a head, for scopes that have tables.
    /// For a column this is the first of several copies: one for each row of the query tile, a tile's number of
    /// columns apart.</summary>
    public int Bias;

    /// <summary>The distance between the biases of neighbouring patches.</summary>
    public int BiasStride;

    /// <summary>Loads a window with one instruction.</summary>
    public static AxisWindow Load(ArrayView<AxisWindow> windows, int index)
    {
        UInt4 fields = GlobalMemoryAccess.LoadConstantUInt4(ref windows[index]);
        return new AxisWindow
        {
            Start = (int)fields.X,
            Count = (int)fields.Y,
            Bias = (int)fields.Z,
            BiasStride = (int)fields.W,
        };
    }
}
