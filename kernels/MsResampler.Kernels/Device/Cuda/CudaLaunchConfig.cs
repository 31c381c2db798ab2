using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>CUlaunchConfig: the size, the stream and the attributes of a launch.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CudaLaunchConfig
{
    /// <summary>Blocks along x.</summary>
    public uint GridX;

    /// <summary>Blocks along y.</summary>
    public uint GridY;

    /// <summary>Blocks along z.</summary>
    public uint GridZ;

    /// <summary>Threads of a block along x.</summary>
    public uint BlockX;

    /// <summary>Threads of a block along y.</summary>
    public uint BlockY;

    /// <summary>Threads of a block along z.</summary>
    public uint BlockZ;

    /// <summary>Dynamic shared memory of a block in bytes.</summary>
    public uint SharedBytes;

    /// <summary>The stream.</summary>
    public nint Stream;

    /// <summary>The attributes.</summary>
    public CudaLaunchAttribute* Attributes;

    /// <summary>The number of attributes.</summary>
    public uint AttributeCount;
}
