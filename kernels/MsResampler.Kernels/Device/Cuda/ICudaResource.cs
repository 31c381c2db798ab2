namespace MsResampler.Kernels.Device.Cuda;

/// <summary>An object of the driver that belongs to a <see cref="CudaStream"/> and is destroyed with it at the
/// latest.</summary>
internal interface ICudaResource
{
    /// <summary>Destroys the objects of the driver. The context must be current and the stream idle.</summary>
    void Destroy();
}
