using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using CudaAPI = ILGPU.Runtime.Cuda.CudaAPI;
using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>Finds and starts the CUDA driver, once for the process.</summary>
internal static class CudaLibrary
{
    /// <summary>Names another file than the driver's own, such as a compatibility library.</summary>
    public const string PathVariable = "MSRESAMPLER_LIBCUDA";

    private static readonly Lazy<string?> s_failure = new(Start);
    private static readonly Lazy<nint> s_handle = new(Load);

    /// <summary>ILGPU's binding of the driver; <see cref="IsAvailable"/> must have said that there is one.</summary>
    public static CudaAPI Api => CudaAPI.CurrentAPI;

    /// <summary>Whether the driver runs; if not, why. Never throws.</summary>
    public static bool IsAvailable([NotNullWhen(false)] out string? reason)
    {
        reason = s_failure.Value;
        return reason is null;
    }

    /// <summary>Fails unless the driver runs.</summary>
    /// <exception cref="DeviceException">It does not; the message says why.</exception>
    public static void Require()
    {
        if (!IsAvailable(out string? reason))
            throw new DeviceException(reason);
    }

    /// <summary>Whether the driver, which must run, has functions that older ones lack.</summary>
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
            // .NET looks for libcuda.so on behalf of ILGPU, never for libcuda.so.1, which may be all there is.
            NativeLibrary.SetDllImportResolver(typeof(CudaAPI).Assembly, Resolve);
        }
        catch (InvalidOperationException)
        {
            // The application has given ILGPU a resolver of its own.
        }

        string file = Candidates()[0];
        if (s_handle.Value == 0)
        {
            return $"no CUDA driver: {file} cannot be loaded; install NVIDIA's driver, or name its library in " +
                PathVariable;
        }

        try
        {
            CudaError error = CudaNative.Init(0);
            if (error != CudaError.CUDA_SUCCESS)
                return CudaCall.Describe("cuInit", error, $"starting the driver ({file})");
            return CudaAPI.CurrentAPI.IsSupported ? null : "ILGPU looked for the CUDA driver before this library " +
                "could tell it where that is; use this library's devices before ILGPU's";
        }
        catch (EntryPointNotFoundException exception)
        {
            return $"{file} is no CUDA driver, or too old a one: {exception.Message}";
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
        : OperatingSystem.IsWindows() ? ["nvcuda.dll"] : ["libcuda.so.1", "libcuda.so"];
}
