using System.Diagnostics.CodeAnalysis;
using MsResampler.Kernels.Device.Cuda;
using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Ptx;
using CudaAccelerator = ILGPU.Runtime.Cuda.CudaAccelerator;

namespace MsResampler.Kernels;

/// <summary>The backend for NVIDIA GPUs.</summary>
/// <remarks>Assign <see cref="Default"/> to <see cref="ResamplerOptions.Backend"/>. Loading a model throws
/// <see cref="DeviceException"/> if no device can be used, and calls throw it if the device runs out of memory or
/// fails. The model stays usable after running out of memory. After a failure of the device every call throws, and
/// the model must be loaded again. The driver's library is the system's; the environment variable
/// MSRESAMPLER_LIBCUDA can name another file.
/// <para>Each call uses its own stream, returns when its tokens are complete, and does not change the calling
/// thread's current context. Calls of <see cref="ResamplerCudaExtensions"/>, for features and tokens on the device,
/// return earlier. Repeated calls with the same grids are started as CUDA graphs. With the environment variable
/// MSRESAMPLER_CUDA_GRAPHS=0 kernels are launched one by one, with the same results. In the graphs of a GPU of sm_90 a
/// kernel may begin before the one before it has ended, and waits for its results;
/// MSRESAMPLER_CUDA_DEPENDENT_LAUNCH=0 turns this off.</para></remarks>
public sealed class CudaBackend : Backend
{
    private static readonly KernelCompiler s_compiler = new(KernelCache.Default, PtxVersion.Default);

    private readonly Func<KernelCache, CudaDevice> _open;

    private CudaBackend(Func<KernelCache, CudaDevice> open) => _open = open;

    /// <summary>The first usable device. It is chosen when a model is loaded, and every model has its own
    /// context.</summary>
    public static Backend Default { get; } = new CudaBackend(CudaDevices.OpenFirst);

    /// <summary>One device. Every model has its own context.</summary>
    /// <param name="index">The index of the device, from 0, as in <see cref="Devices"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The index is negative.</exception>
    public static Backend ForDevice(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        return new CudaBackend(cache => new CudaDevice(index, cache));
    }

    /// <summary>One device. Every model has its own context. The device is searched for when a model is loaded, which
    /// throws <see cref="DeviceException"/> if there is none.</summary>
    /// <param name="device">Its index, or its UUID or a start of it that no other device has, as in
    /// <see cref="Devices"/>.</param>
    /// <exception cref="ArgumentException">The text is empty.</exception>
    public static Backend ForDevice(string device)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(device);
        return new CudaBackend(cache => new CudaDevice(CudaDevices.Find(device), cache));
    }

    /// <summary>One device, in its primary context, which the CUDA runtime uses, and with it PyTorch, TorchSharp, ONNX
    /// Runtime and most libraries. The model can use their memory and streams
    /// (<see cref="ResamplerCudaExtensions"/>).</summary>
    /// <remarks>A model keeps the context alive until it is disposed. An error that destroys the context destroys it
    /// for every user of the context. The model allocates and frees memory when batches grow. That waits for all
    /// work in the context, and CUDA rejects it while another thread captures a graph in the global mode.</remarks>
    /// <param name="index">The device's index, from 0, as in <see cref="Devices"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The index is negative.</exception>
    public static Backend ForPrimaryContext(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        return new CudaBackend(cache => CudaDevice.InPrimaryContext(index, cache));
    }

    /// <summary>The device of an ILGPU accelerator, in the accelerator's context. The model can use its buffers and
    /// streams (<see cref="ResamplerCudaExtensions"/>).</summary>
    /// <param name="accelerator">The accelerator. The caller owns it, and must dispose it after every model that was
    /// loaded with this backend. A model whose accelerator was disposed reports a lost device, and loading a model then
    /// throws <see cref="ObjectDisposedException"/>.</param>
    public static Backend ForAccelerator(CudaAccelerator accelerator)
    {
        ArgumentNullException.ThrowIfNull(accelerator);
        return new CudaBackend(cache => CudaDevice.Of(accelerator, cache));
    }

    /// <summary>Whether a device can be used. This opens the devices, which can take some tenths of a second
    /// each.</summary>
    /// <param name="reason">Why no device can be used; null if one can.</param>
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

    /// <summary>All devices with their properties, and why one cannot be used.</summary>
    /// <exception cref="DeviceException">There is no driver, or it failed.</exception>
    public static IReadOnlyList<CudaDeviceInfo> Devices() => CudaDevices.List();

    internal override ModelEngine Create(ResamplerModel model, ResamplerOptions options)
        => new GpuEngine(_open(KernelCache.Default), s_compiler, model, options);
}
