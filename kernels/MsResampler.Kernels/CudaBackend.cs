using System.Diagnostics.CodeAnalysis;
using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Device.Cuda;
using MsResampler.Kernels.Forward;
using MsResampler.Model;
using CudaAccelerator = ILGPU.Runtime.Cuda.CudaAccelerator;

namespace MsResampler.Kernels;

/// <summary>Computes on NVIDIA GPUs, in float32.</summary>
/// <remarks>Assign <see cref="Default"/> to <see cref="ResamplerOptions.Backend"/>. Loading a model with it throws
/// <see cref="DeviceException"/> where no device can be used, and calls throw it when the device runs out of memory
/// or fails. Out of memory leaves the model usable; after a failure of the device every call throws, and the model
/// must be loaded anew. The driver's library is searched where the system keeps it; the environment variable
/// MSRESAMPLER_LIBCUDA may name another file.
/// <para>Every call has a stream of its own, returns when its tokens are there, and leaves the calling thread's current
/// context as it was. Calls of <see cref="ResamplerCudaExtensions"/>, for features and tokens on the device, return earlier.
/// Repeated calls of the same grids may be started as CUDA graphs; the environment variable MSRESAMPLER_CUDA_GRAPHS=0
/// has every kernel launched by itself, with the same results.</para></remarks>
public sealed class CudaBackend : Backend
{
    // Models compile kernels when they first need them, as long as they live.
    private static readonly KernelCompiler s_compiler = new(KernelCache.Default, PtxVersion.Default);

    private readonly Func<CudaDevice> _open;

    private CudaBackend(Func<CudaDevice> open) => _open = open;

    /// <summary>The first device that can be used, chosen when a model is loaded, in a context of the model's
    /// own.</summary>
    public static Backend Default { get; } = new CudaBackend(CudaDevices.OpenFirst);

    /// <summary>One device, in a context of the model's own.</summary>
    /// <param name="index">Its index, from 0, as in <see cref="Devices"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The index is negative.</exception>
    public static Backend ForDevice(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        return new CudaBackend(() => new CudaDevice(index));
    }

    /// <summary>One device, in its primary context: the one that the CUDA runtime uses, and with it PyTorch,
    /// TorchSharp, ONNX Runtime and most libraries. Their memory and streams are of use to the model
    /// (<see cref="ResamplerCudaExtensions"/>).</summary>
    /// <remarks>A model keeps the context alive until it is disposed. An error that ends the context ends it for all
    /// who share it. While sizes grow, the model allocates and frees memory, which waits for the work of everybody in
    /// the context, and which CUDA refuses while another thread captures a graph in the global mode.</remarks>
    /// <param name="index">The device's index, from 0, as in <see cref="Devices"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The index is negative.</exception>
    public static Backend ForPrimaryContext(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        return new CudaBackend(() => CudaDevice.InPrimaryContext(index));
    }

    /// <summary>The device of an ILGPU accelerator, in the accelerator's context: its buffers and streams are of use to
    /// the model (<see cref="ResamplerCudaExtensions"/>).</summary>
    /// <param name="accelerator">The accelerator. It stays the caller's, and must be disposed after every model that
    /// was loaded with this; a model that it takes with it reports a lost device, and loading one afterwards throws
    /// <see cref="ObjectDisposedException"/>.</param>
    public static Backend ForAccelerator(CudaAccelerator accelerator)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        return new CudaBackend(() => CudaDevice.Of(accelerator));
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
        => new GpuEngine(_open(), s_compiler, model, options);
}
