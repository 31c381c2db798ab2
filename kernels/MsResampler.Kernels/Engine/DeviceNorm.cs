namespace MsResampler.Kernels.Engine;

/// <summary>A layer normalisation on the device, in float32.</summary>
internal sealed record DeviceNorm(DeviceView Weight, DeviceView Bias);
