using System.Runtime.InteropServices;
using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Attention;

/// <summary>What a query row sees of the patch rows, or a query column of the patch columns: 16 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct AxisWindow
{
    /// <summary>The first patch that is seen.</summary>
    public int Start;

    /// <summary>Patches that are seen.</summary>
    public int Count;

    /// <summary>Where the bias of patch 0 lies in a head's tables, for scopes that have some; that of a column is the first
    /// of as many as its tile has rows, as far apart as the tile has columns.</summary>
    public int Bias;

    /// <summary>From one patch's bias to the next.</summary>
    public int BiasStride;

    /// <summary>Reads a window in one instruction.</summary>
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
