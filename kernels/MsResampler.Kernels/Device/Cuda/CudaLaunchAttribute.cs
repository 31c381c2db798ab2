using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>CUlaunchAttribute: an attribute of a launch.</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
internal struct CudaLaunchAttribute
{
    /// <summary>Which attribute.</summary>
    [FieldOffset(0)]
    public int Id;

    /// <summary>The value of an attribute that is an integer; the largest has 64 bytes.</summary>
    [FieldOffset(8)]
    public int Value;
}
