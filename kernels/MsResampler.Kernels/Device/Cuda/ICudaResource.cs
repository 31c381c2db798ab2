namespace MsResampler.Kernels.Device.Cuda;

/// <summary>Something of a <see cref="CudaStream"/> that ends with it at the latest.</summary>
internal interface ICudaResource
{
    /// <summary>Releases the driver's objects; the context must be current, and the stream's work done.</summary>
    void Destroy();
}
