namespace MsResampler.Kernels.Forward;

/// <summary>A linear layer on the device.</summary>
/// <param name="Weight">[outputs, inputs], padded.</param>
/// <param name="Bias">[outputs] in float32, padded.</param>
internal readonly record struct DeviceLinear(DeviceView Weight, DeviceView Bias);
