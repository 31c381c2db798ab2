namespace MsResampler.Kernels;

/// <summary>The type of a <see cref="DeviceTensor"/>'s elements.</summary>
public enum DeviceElementType
{
    /// <summary>IEEE 754 binary32, 4 bytes.</summary>
    Float32,

    /// <summary>IEEE 754 binary16, 2 bytes.</summary>
    Float16,

    /// <summary>The upper half of a binary32, 2 bytes.</summary>
    BFloat16,
}
