using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>Launches that may begin while the launch before them in their stream still runs. CUDA programming guide,
/// Programmatic Dependent Launch.</summary>
internal static unsafe class CudaDependentLaunch
{
    /// <summary>The environment variable that disables them if it is 0.</summary>
    public const string Variable = "MSRESAMPLER_CUDA_DEPENDENT_LAUNCH";

    /// <summary>CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION.</summary>
    private const int StreamSerialization = 6;

    /// <summary>Whether the driver has the call; drivers since CUDA 11.8 have it.</summary>
    public static bool IsSupported { get; } = CudaLibrary.Exports("cuLaunchKernelEx");

    /// <summary>Whether the environment permits them.</summary>
    public static bool IsEnabled => Environment.GetEnvironmentVariable(Variable) != "0";

    /// <summary>Launches a kernel that waits for the launch before it.</summary>
    /// <param name="function">The driver's handle of the kernel.</param>
    /// <param name="size">The blocks, threads and dynamic shared memory.</param>
    /// <param name="stream">The stream.</param>
    /// <param name="extra">The arguments, as for cuLaunchKernel.</param>
    public static CudaError Launch(nint function, LaunchSize size, nint stream, void** extra)
    {
        CudaLaunchAttribute attribute = new() { Id = StreamSerialization, Value = 1 };
        CudaLaunchConfig config = new()
        {
            GridX = (uint)size.GridX,
            GridY = (uint)size.GridY,
            GridZ = 1,
            BlockX = (uint)size.BlockSize,
            BlockY = 1,
            BlockZ = 1,
            SharedBytes = (uint)size.DynamicSharedBytes,
            Stream = stream,
            Attributes = &attribute,
            AttributeCount = 1,
        };
        return CudaNative.LaunchKernel(&config, function, null, extra);
    }
}
