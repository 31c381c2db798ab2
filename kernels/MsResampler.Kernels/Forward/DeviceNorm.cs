using MsResampler.Kernels.Device;
namespace MsResampler.Kernels.Forward;

/// <summary>A layer normalisation on the device, in float32.</summary>
internal sealed record DeviceNorm(DeviceView Weight, DeviceView Bias);
