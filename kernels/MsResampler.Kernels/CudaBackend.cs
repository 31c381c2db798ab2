using System.Diagnostics.CodeAnalysis;
using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Engine;
using MsResampler.Kernels.Engine.Cuda;
using MsResampler.Model;

namespace MsResampler.Kernels;

/// <summary>Computes on NVIDIA GPUs, in float32.</summary>
/// <remarks>Assign <see cref="Default"/> to <see cref="ResamplerOptions.Backend"/>. Loading a model with it throws
/// <see cref="DeviceException"/> where no device can be used, and calls throw it when the device runs out of memory
/// or fails. Out of memory leaves the model usable; after a failure of the device every call throws, and the model
/// must be loaded anew. The driver's library is searched where the system keeps it; the environment variable
/// MSRESAMPLER_LIBCUDA may name another file.</remarks>
public sealed class CudaBackend : Backend
{
    private readonly int? _index;

    private CudaBackend(int? index) => _index = index;

    /// <summary>The first device that can be used, chosen when a model is loaded.</summary>
    public static Backend Default { get; } = new CudaBackend(null);

    /// <summary>One device.</summary>
    /// <param name="index">Its index, from 0, as in <see cref="Devices"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The index is negative.</exception>
    public static Backend ForDevice(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        return new CudaBackend(index);
    }

    /// <summary>Whether a device can be used. To be sure, the devices are opened, which may take some tenths of a second
    /// each.</summary>
    /// <param name="reason">Why not; null where one can.</param>
    public static bool IsAvailable([NotNullWhen(false)] out string? reason)
    {
        try
        {
            CudaDevices.OpenFirst().Dispose();
            reason = null;
            return true;
        }
        catch (DeviceException exception)
        {
            reason = exception.Message;
            return false;
        }
    }

    /// <summary>All devices, with what they are and why one cannot be used.</summary>
    /// <exception cref="DeviceException">There is no driver, or it does not answer.</exception>
    public static IReadOnlyList<CudaDeviceInfo> Devices() => CudaDevices.List();

    internal override ModelEngine Create(ResamplerModel model, ResamplerOptions options)
    {
        CudaDevice device = _index is { } index ? new CudaDevice(index) : CudaDevices.OpenFirst();
        using KernelCompiler compiler = new(KernelCache.Default, PtxVersion.Default);
        return new GpuEngine(device, compiler, model, options);
    }
}
