using System.Diagnostics.CodeAnalysis;
using ILGPU;
using ILGPU.Runtime;
using MsResampler.Kernels.Forward;
using CudaAccelerator = ILGPU.Runtime.Cuda.CudaAccelerator;
using CudaStream = ILGPU.Runtime.Cuda.CudaStream;

namespace MsResampler.Kernels;

/// <summary>What a <see cref="Resampler"/> does beside the usual where features and tokens are on the GPU: nothing passes
/// through the host.</summary>
/// <remarks>
/// <para><b>Memory.</b> Features and tokens must be memory of the context that the model was loaded in: the primary
/// context (<see cref="CudaBackend.ForPrimaryContext"/>), which the CUDA runtime and most libraries use, or that of an
/// ILGPU accelerator (<see cref="CudaBackend.ForAccelerator"/>). A model loaded with <see cref="CudaBackend.Default"/> or
/// <see cref="CudaBackend.ForDevice"/> has a context of its own, to which nobody else's memory belongs. Addresses cannot
/// be verified: a wrong one is an error of the device, and may end the context.</para>
/// <para><b>Order.</b> A call returns when its work has been enqueued. The work begins when what the stream was given
/// before the call is done, and what the stream is given after the call waits for it: features may then be
/// overwritten, and tokens read, in the order of the stream and without any synchronisation by the caller. The
/// computation itself runs on a stream of the model's. The calling thread's current context is left as it was.</para>
/// <para><b>Waiting.</b> Calls for the grids of the call before, in the same order, do not wait for the device. Other
/// grids have tables made, and may find memory too small: the thread then waits for work of earlier calls, and for that
/// of what came before them on their streams; likewise between the groups of a batch that is too large to be computed at
/// once. When as many calls are being enqueued or computed for the host as the model has workspaces (4), the thread
/// waits for one of them to return.</para>
/// <para><b>Errors.</b> A device that fails after a call has returned is reported by a later call, as CUDA does. Features
/// are not looked at (<see cref="ResamplerOptions.ValidateFeatures"/> is about features on the host): a NaN or infinity
/// spoils the tokens of its image, and of no other. Disposing the <see cref="Resampler"/> waits for all work.</para>
/// </remarks>
public static class ResamplerCudaExtensions
{
    /// <summary>Starts to compute the visual tokens of a ragged batch on the device. They have the same bits as those of
    /// <see cref="Resampler.Resample"/>, rounded to nearest if they are wanted in 16 bits.</summary>
    /// <param name="resampler">A model loaded with <see cref="CudaBackend"/>.</param>
    /// <param name="features">The images' patch features one after another, each [H·W, C] row-major: float32, which a
    /// model in 16 bits scales and rounds to nearest, or the model's own type (<see cref="Resampler.Precision"/>). Not
    /// changed.</param>
    /// <param name="grids">One patch grid per image.</param>
    /// <param name="tokens">Receives [B, M, L] row-major: float32, or the model's own type. Must not overlap
    /// <paramref name="features"/>.</param>
    /// <param name="stream">The stream (a CUstream, or the runtime's cudaStream_t) that orders the work with the
    /// caller's; 0 is the NULL stream.</param>
    /// <exception cref="ArgumentException">A grid is empty; a count does not fit the grids; a type is neither float32 nor
    /// the model's; an address is 0 or misaligned; tokens overlap features. Nothing was enqueued.</exception>
    /// <exception cref="InvalidOperationException">The model does not run on a CUDA device, or the stream is recording a
    /// graph.</exception>
    /// <exception cref="DeviceException">The device has too little memory or failed, or the stream is of another
    /// context. What was enqueued of the call is done when this is thrown, and the tokens are undefined.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public static void Resample(this Resampler resampler, DeviceTensor features, ReadOnlySpan<PatchGrid> grids,
        DeviceTensor tokens, nint stream)
    {
        GpuEngine engine = EngineOf(resampler);
        resampler.CheckSizes(grids, features.Count, tokens.Count);
        engine.Resample(features, grids, tokens, stream);
    }

    /// <summary>Starts to compute the visual tokens of a ragged batch, with memory and a stream of the ILGPU accelerator
    /// that the model was loaded on (<see cref="CudaBackend.ForAccelerator"/>).</summary>
    /// <param name="resampler">The model.</param>
    /// <param name="features">The images' patch features one after another, each [H·W, C] row-major. Not changed.</param>
    /// <param name="grids">One patch grid per image.</param>
    /// <param name="tokens">Receives [B, M, L] row-major. Must not overlap <paramref name="features"/>.</param>
    /// <param name="stream">The stream that orders the work with the caller's.</param>
    /// <exception cref="ArgumentException">A grid is empty; a length does not fit the grids; elements of type Half are
    /// not the model's; a view or the stream is of another accelerator; tokens overlap features. Nothing was
    /// enqueued.</exception>
    /// <exception cref="InvalidOperationException">The model does not run on a CUDA device, or the stream is recording a
    /// graph.</exception>
    /// <exception cref="DeviceException">The device has too little memory or failed. What was enqueued of the call is
    /// done when this is thrown, and the tokens are undefined.</exception>
    /// <exception cref="ObjectDisposedException">The model or the stream was disposed.</exception>
    public static void Resample(this Resampler resampler, ArrayView<float> features, ReadOnlySpan<PatchGrid> grids,
        ArrayView<float> tokens, CudaStream stream) => ResampleViews(resampler, features, grids, tokens, stream);

    /// <inheritdoc cref="Resample(Resampler, ArrayView{float}, ReadOnlySpan{PatchGrid}, ArrayView{float}, CudaStream)"/>
    public static void Resample(this Resampler resampler, ArrayView<float> features, ReadOnlySpan<PatchGrid> grids,
        ArrayView<ILGPU.Half> tokens, CudaStream stream) => ResampleViews(resampler, features, grids, tokens, stream);

    /// <inheritdoc cref="Resample(Resampler, ArrayView{float}, ReadOnlySpan{PatchGrid}, ArrayView{float}, CudaStream)"/>
    public static void Resample(this Resampler resampler, ArrayView<ILGPU.Half> features,
        ReadOnlySpan<PatchGrid> grids, ArrayView<float> tokens, CudaStream stream)
        => ResampleViews(resampler, features, grids, tokens, stream);

    /// <inheritdoc cref="Resample(Resampler, ArrayView{float}, ReadOnlySpan{PatchGrid}, ArrayView{float}, CudaStream)"/>
    public static void Resample(this Resampler resampler, ArrayView<ILGPU.Half> features,
        ReadOnlySpan<PatchGrid> grids, ArrayView<ILGPU.Half> tokens, CudaStream stream)
        => ResampleViews(resampler, features, grids, tokens, stream);

    /// <summary>Waits for all calls so far, and reports a number that was outside the range of the model's precision in one
    /// of those whose features and tokens are on the device, since this was last asked; features that are NaN or infinite
    /// too.</summary>
    /// <param name="resampler">A model loaded with <see cref="CudaBackend"/>.</param>
    /// <exception cref="ActivationOverflowException">There was one, a <see cref="Float16OverflowException"/> in float16:
    /// tokens of a call since then are not valid. The model stays usable.</exception>
    /// <exception cref="InvalidOperationException">The model does not run on a CUDA device.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public static void ThrowIfOverflowed(this Resampler resampler) => EngineOf(resampler).ThrowIfOverflowed();

    private static void ResampleViews<TFeature, TToken>(Resampler resampler, ArrayView<TFeature> features,
        ReadOnlySpan<PatchGrid> grids, ArrayView<TToken> tokens, CudaStream stream)
        where TFeature : unmanaged
        where TToken : unmanaged
    {
        GpuEngine engine = EngineOf(resampler);
        ArgumentNullException.ThrowIfNull(stream);
        ObjectDisposedException.ThrowIf(stream.IsDisposed, stream);
        if (stream.Accelerator != AcceleratorOf(engine))
            ThrowForeign(nameof(stream), stream.Accelerator);
        Resample(resampler, TensorOf(engine, features, nameof(features)), grids,
            TensorOf(engine, tokens, nameof(tokens)), stream.StreamPtr);
    }

    private static DeviceTensor TensorOf<T>(GpuEngine engine, ArrayView<T> view, string name)
        where T : unmanaged
    {
        DeviceElementType type = typeof(T) == typeof(float) ? DeviceElementType.Float32 : DeviceElementType.Float16;
        if (!view.IsValid || view.Length == 0)
            return new DeviceTensor(0, 0, type);
        if (view.GetAccelerator() != AcceleratorOf(engine))
            ThrowForeign(name, view.GetAccelerator());
        return new DeviceTensor(view.LoadEffectiveAddressAsPtr(), view.Length, type);
    }

    /// <summary>The ILGPU accelerator whose context the model is in; null if it is in another context.</summary>
    private static CudaAccelerator? AcceleratorOf(GpuEngine engine)
        => (engine.Device as Device.Cuda.CudaDevice)?.Context.Accelerator;

    private static GpuEngine EngineOf(Resampler resampler)
    {
        ArgumentNullException.ThrowIfNull(resampler);
        return resampler.Engine as GpuEngine
            ?? throw new InvalidOperationException("expected a model that was loaded with CudaBackend, found one that " +
                $"runs on {resampler.Description}: set ResamplerOptions.Backend");
    }

    [DoesNotReturn]
    private static void ThrowForeign(string name, Accelerator found)
        => throw new ArgumentException($"{name}: expected memory and streams of the ILGPU accelerator that the model was " +
            $"loaded on (CudaBackend.ForAccelerator), found those of another, {found.Name}", name);
}
