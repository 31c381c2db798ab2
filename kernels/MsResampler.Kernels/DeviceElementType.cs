namespace MsResampler.Kernels;

/// <summary>The element type of a <see cref="DeviceTensor"/>.</summary>
public enum DeviceElementType
{
    /// <summary>IEEE 754 binary32, 4 bytes.</summary>
    Float32,

    /// <summary>IEEE 754 binary16, 2 bytes.</summary>
    Float16,

    /// <summary>bfloat16, the upper 16 bits of a binary32, 2 bytes.</summary>
    BFloat16,
}
