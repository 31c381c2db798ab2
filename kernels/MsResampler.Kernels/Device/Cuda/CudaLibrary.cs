using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using CudaAPI = ILGPU.Runtime.Cuda.CudaAPI;
using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>Finds and initialises the CUDA driver, once per process.</summary>
internal static class CudaLibrary
{
    /// <summary>The environment variable that names another driver library, such as a compatibility
    /// library.</summary>
    public const string PathVariable = "MSRESAMPLER_LIBCUDA";

    private static readonly Lazy<string?> s_failure = new(Start);
    private static readonly Lazy<nint> s_handle = new(Load);

    /// <summary>ILGPU's binding of the driver. Check <see cref="IsAvailable"/> first.</summary>
    public static CudaAPI Api => CudaAPI.CurrentAPI;

    /// <summary>Whether the driver is available, and otherwise why not. Never throws.</summary>
    public static bool IsAvailable([NotNullWhen(false)] out string? reason)
    {
        reason = s_failure.Value;
        return reason is null;
    }

    /// <summary>Throws if the driver is not available.</summary>
    /// <exception cref="DeviceException">The driver is not available; the message says why.</exception>
    public static void Require()
    {
        if (!IsAvailable(out string? reason))
            throw new DeviceException(reason);
    }

    /// <summary>Whether the available driver exports all of some functions.</summary>
    public static bool Exports(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (!NativeLibrary.TryGetExport(s_handle.Value, name, out nint _))
                return false;
        }

        return true;
    }

    private static string? Start()
    {
        NativeLibrary.SetDllImportResolver(typeof(CudaLibrary).Assembly, Resolve);
        try
        {
            // For ILGPU, .NET looks for libcuda.so and never for libcuda.so.1, which may be the only file.
            NativeLibrary.SetDllImportResolver(typeof(CudaAPI).Assembly, Resolve);
        }
        catch (InvalidOperationException)
        {
            // The application has set a resolver for ILGPU.
        }

        string file = Candidates()[0];
        if (s_handle.Value == 0)
        {
            return $"no CUDA driver: {file} cannot be loaded; install NVIDIA's driver (for WSL in Windows), start " +
                $"a container with --gpus all, or set {PathVariable} to the path of the driver's library";
        }

        try
        {
            CudaError error = CudaNative.Init(0);
            if (error != CudaError.CUDA_SUCCESS)
                return CudaCall.Describe("cuInit", error, $"starting the driver ({file})");
            return CudaAPI.CurrentAPI.IsSupported ? null : "ILGPU was used before this library and did not find " +
                "the CUDA driver; use the devices of this library first";
        }
        catch (EntryPointNotFoundException exception)
        {
            return $"{file} is not a CUDA driver, or is too old: {exception.Message}";
        }
    }

    private static nint Resolve(string name, System.Reflection.Assembly assembly, DllImportSearchPath? path)
        => name is CudaNative.Library or "nvcuda" ? s_handle.Value : 0;

    private static nint Load()
    {
        foreach (string candidate in Candidates())
        {
            if (NativeLibrary.TryLoad(candidate, out nint handle))
                return handle;
        }

        return 0;
    }

    private static string[] Candidates() => Environment.GetEnvironmentVariable(PathVariable) is { Length: > 0 } path
        ? [path]
        : OperatingSystem.IsWindows() ? ["nvcuda.dll"]
        : ["libcuda.so.1", "libcuda.so", "/usr/lib/wsl/lib/libcuda.so.1"];
}
