namespace MsResampler.Kernels.Forward;

/// <summary>A layer normalisation on the device, in float32.</summary>
/// <param name="Weight">[width], padded with zeros.</param>
/// <param name="Bias">[width], padded with zeros.</param>
internal readonly record struct DeviceNorm(DeviceView Weight, DeviceView Bias);
