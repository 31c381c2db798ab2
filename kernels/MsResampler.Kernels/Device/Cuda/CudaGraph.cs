namespace MsResampler.Kernels.Device.Cuda;

/// <summary>Work that a <see cref="CudaStream"/> recorded.</summary>
internal sealed class CudaGraph(CudaStream stream, nint executable, int launchCount, string? lastLaunch)
    : IDeviceGraph, ICudaResource
{
    /// <summary>The driver's handle of the executable graph.</summary>
    public nint Executable => executable;

    /// <summary>Launches in it.</summary>
    public int LaunchCount => launchCount;

    /// <summary>The kernel of the last of them.</summary>
    public string? LastLaunch => lastLaunch;

    /// <inheritdoc/>
    public void Dispose() => stream.Destroy(this);

    /// <inheritdoc/>
    void ICudaResource.Destroy() => CudaNative.DestroyExecutableGraph(executable);
}
