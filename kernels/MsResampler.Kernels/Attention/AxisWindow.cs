using System.Runtime.InteropServices;
using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Attention;

/// <summary>What a query row sees of the patch rows, or a query column of the patch columns: 16 bytes.</summary>
/// <remarks>A Gaussian adds −(i − a)²·s to the logit of patch i, where a is the query's anchor and s = log₂e / 2σ². A
/// constant drops out of the softmax, so the nearest patch n of the window is put at 0, and with e = i − n what remains
/// is −e·(e + 2(n − a))·s: e is an integer, so that it is exactly 0 at n, and at a patch on the other side of the
/// anchor that is as near, however large s is.</remarks>
[StructLayout(LayoutKind.Sequential)]
internal struct AxisWindow
{
    /// <summary>The first patch that is seen.</summary>
    public int Start;

    /// <summary>Patches that are seen.</summary>
    public int Count;

    /// <summary>n, the patch of the window that is nearest to the anchor.</summary>
    public float Nearest;

    /// <summary>2(n − a), in patches.</summary>
    public float Slope;

    /// <summary>Reads a window in one instruction.</summary>
    public static AxisWindow Load(ArrayView<AxisWindow> windows, int index)
    {
        UInt4 fields = GlobalMemoryAccess.LoadConstantUInt4(ref windows[index]);
        return new AxisWindow
        {
            Start = (int)fields.X,
            Count = (int)fields.Y,
            Nearest = Interop.IntAsFloat(fields.Z),
            Slope = Interop.IntAsFloat(fields.W),
        };
    }
}
