using MsResampler.Kernels.Device;
namespace MsResampler.Kernels.Forward;

/// <summary>A linear layer on the device.</summary>
internal sealed record DeviceLinear(DeviceView Weight, DeviceView Bias);
