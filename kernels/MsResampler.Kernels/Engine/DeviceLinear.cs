namespace MsResampler.Kernels.Engine;

/// <summary>A linear layer on the device.</summary>
internal sealed record DeviceLinear(DeviceView Weight, DeviceView Bias);
