namespace MsResampler.Kernels.Device.Cuda;

/// <summary>A graph recorded by a <see cref="CudaStream"/>.</summary>
/// <param name="stream">The stream.</param>
/// <param name="executable">The driver's handle of the executable graph.</param>
/// <param name="launchCount">The number of launches in the graph.</param>
/// <param name="lastLaunch">The name of the kernel that is launched last.</param>
internal sealed class CudaGraph(CudaStream stream, nint executable, int launchCount, string? lastLaunch)
    : IDeviceGraph, ICudaResource
{
    /// <summary>The driver's handle of the executable graph.</summary>
    public nint Executable => executable;

    /// <summary>The number of launches in the graph.</summary>
    public int LaunchCount => launchCount;

    /// <summary>The name of the kernel that is launched last.</summary>
    public string? LastLaunch => lastLaunch;

    /// <inheritdoc/>
    public void Dispose() => stream.Destroy(this);

    /// <inheritdoc/>
    void ICudaResource.Destroy() => CudaNative.DestroyExecutableGraph(executable);
}
