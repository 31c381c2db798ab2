using System.Diagnostics.CodeAnalysis;
using ILGPU;
using ILGPU.Runtime;
using MsResampler.Kernels.Forward;
using CudaAccelerator = ILGPU.Runtime.Cuda.CudaAccelerator;
using CudaStream = ILGPU.Runtime.Cuda.CudaStream;

namespace MsResampler.Kernels;

/// <summary>Resampling of features that are on the GPU, to tokens on the GPU, without a copy through the
/// host.</summary>
/// <remarks>
/// <para><b>Memory.</b> Features and tokens must be memory of the context that the model was loaded in: the primary
/// context (<see cref="CudaBackend.ForPrimaryContext"/>), which the CUDA runtime and most libraries use, or the
/// context of an ILGPU accelerator (<see cref="CudaBackend.ForAccelerator"/>). A model that was loaded with
/// <see cref="CudaBackend.Default"/> or <see cref="CudaBackend.ForDevice(int)"/> has its own context, which other
/// libraries cannot use. Addresses cannot be verified: an invalid address is an error of the device, and can destroy
/// the context.</para>
/// <para><b>Order.</b> A call returns when its work has been enqueued. The work starts after all earlier work of the
/// stream, and later work of the stream waits for it. In the order of the stream, features may be overwritten and
/// tokens read after the call without further synchronisation. The computation runs on a stream of the model. The
/// calling thread's current context does not change.</para>
/// <para><b>Waiting.</b> A call with the same grids as the call before, in the same order, does not wait for the
/// device. With other grids the model copies tables to the device and may need more memory. The calling thread then
/// waits for earlier calls and for the earlier work of their streams. It also waits between the parts of a batch
/// that is too large to be computed at once. At most 4 calls can be enqueued or run for the host at the same time;
/// another call waits until one of them returns.</para>
/// <para>For groups of frames, the numbers of frames must also be the same. Temporal ids may differ: such a call copies
/// one index per frame, and the third in a row waits for that copy of the first. An id that the model meets for the
/// first time on a grid, if its keys have positions in time, takes a small product, for which the calling thread
/// waits.</para>
/// <para><b>Errors.</b> A device that fails after a call has returned is reported by a later call, as in CUDA.
/// Features are not checked (<see cref="ResamplerOptions.ValidateFeatures"/> applies to features on the host): a NaN
/// or an infinity makes the tokens of its image or group invalid, and of no other. Disposing the
/// <see cref="Resampler"/> waits for all work.</para></remarks>
public static class ResamplerCudaExtensions
{
    /// <summary>Starts to compute the visual tokens of a ragged batch on the device. The tokens have the same bits
    /// as those of <see cref="Resampler.Resample(ReadOnlySpan{float}, ReadOnlySpan{PatchGrid}, Span{float},
    /// CancellationToken)"/>; tokens in 16 bits are rounded to nearest.</summary>
    /// <param name="resampler">A model that was loaded with <see cref="CudaBackend"/>.</param>
    /// <param name="features">The patch features of all images, one after another, each [H·W, C] row-major. The type is
    /// float32, which a model in 16 bits scales and rounds to nearest, or the model's type
    /// (<see cref="Resampler.Precision"/>). They are not changed.</param>
    /// <param name="grids">One patch grid per image.</param>
    /// <param name="tokens">Receives [B, M, L] row-major, in float32 or the model's type. Must not overlap
    /// <paramref name="features"/>.</param>
    /// <param name="stream">The stream (a CUstream or cudaStream_t) whose order applies; 0 is the default
    /// stream.</param>
    /// <exception cref="ArgumentException">A grid is empty; a count does not match the grids; a type is neither
    /// float32 nor the model's; an address is 0 or misaligned; tokens overlap features. Nothing was
    /// enqueued.</exception>
    /// <exception cref="InvalidOperationException">The model does not run on a CUDA device, or the stream is
    /// recording a graph.</exception>
    /// <exception cref="DeviceException">The device has too little memory or failed, or the stream belongs to another
    /// context. The enqueued part of the call is done when this is thrown, and the tokens are undefined.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public static void Resample(this Resampler resampler, DeviceTensor features, ReadOnlySpan<PatchGrid> grids,
        DeviceTensor tokens, nint stream) => Resample(resampler, features, new FrameGroups(grids), tokens, stream);

    /// <summary>Starts to compute the visual tokens of groups of frames on the device. The tokens have the same bits as
    /// those of <see cref="Resampler.Resample(ReadOnlySpan{float}, FrameGroups, Span{float}, CancellationToken)"/>;
    /// tokens in 16 bits are rounded to nearest.</summary>
    /// <param name="resampler">A model that was loaded with <see cref="CudaBackend"/>.</param>
    /// <param name="features">The patch features of all frames, one after another, each [H·W, C] row-major. The type is
    /// float32, which a model in 16 bits scales and rounds to nearest, or the model's type
    /// (<see cref="Resampler.Precision"/>). They are not changed.</param>
    /// <param name="groups">The grids and temporal ids of the frames, and the number of frames of each group.</param>
    /// <param name="tokens">Receives [groups, M, L] row-major, in float32 or the model's type. Must not overlap
    /// <paramref name="features"/>.</param>
    /// <param name="stream">The stream (a CUstream or cudaStream_t) whose order applies; 0 is the default
    /// stream.</param>
    /// <exception cref="ArgumentException">A grid or a group is empty; a temporal id is below −1; a count does not
    /// match the groups; a type is neither float32 nor the model's; an address is 0 or misaligned; tokens overlap
    /// features. Nothing was enqueued.</exception>
    /// <inheritdoc cref="Resample(Resampler, DeviceTensor, ReadOnlySpan{PatchGrid}, DeviceTensor, nint)"/>
    public static void Resample(this Resampler resampler, DeviceTensor features, FrameGroups groups,
        DeviceTensor tokens, nint stream)
    {
        GpuEngine engine = EngineOf(resampler);
        TelemetryOperation operation = resampler.StartOperation("enqueue");
        try
        {
            resampler.CheckSizes(groups, features.Count, tokens.Count);
            engine.Resample(features, groups, tokens, stream);
        }
        catch (Exception exception)
        {
            operation.Fail(exception);
            throw;
        }

        operation.Complete(groups.FrameCount, (long)groups.GroupCount * resampler.TokenCount);
    }

    /// <summary>Starts to compute the visual tokens of a ragged batch with memory and a stream of an ILGPU
    /// accelerator.</summary>
    /// <param name="resampler">A model that was loaded on the accelerator
    /// (<see cref="CudaBackend.ForAccelerator"/>).</param>
    /// <param name="features">The patch features of all images, one after another, each [H·W, C] row-major. They are
    /// not changed.</param>
    /// <param name="grids">One patch grid per image.</param>
    /// <param name="tokens">Receives [B, M, L] row-major. Must not overlap <paramref name="features"/>.</param>
    /// <param name="stream">The stream whose order applies.</param>
    /// <exception cref="ArgumentException">A grid is empty; a length does not match the grids; elements of type Half
    /// are not the model's type; a view or the stream belongs to another accelerator; tokens overlap features.
    /// Nothing was enqueued.</exception>
    /// <exception cref="InvalidOperationException">The model does not run on a CUDA device, or the stream is
    /// recording a graph.</exception>
    /// <exception cref="DeviceException">The device has too little memory or failed. The enqueued part of the
    /// call is done when this is thrown, and the tokens are undefined.</exception>
    /// <exception cref="ObjectDisposedException">The model or the stream was disposed.</exception>
    public static void Resample(this Resampler resampler, ArrayView<float> features, ReadOnlySpan<PatchGrid> grids,
        ArrayView<float> tokens, CudaStream stream)
        => ResampleViews(resampler, features, new FrameGroups(grids), tokens, stream);

    /// <inheritdoc cref="Resample(Resampler, ArrayView{float}, ReadOnlySpan{PatchGrid}, ArrayView{float},
    /// CudaStream)"/>
    public static void Resample(this Resampler resampler, ArrayView<float> features, ReadOnlySpan<PatchGrid> grids,
        ArrayView<ILGPU.Half> tokens, CudaStream stream)
        => ResampleViews(resampler, features, new FrameGroups(grids), tokens, stream);

    /// <inheritdoc cref="Resample(Resampler, ArrayView{float}, ReadOnlySpan{PatchGrid}, ArrayView{float},
    /// CudaStream)"/>
    public static void Resample(this Resampler resampler, ArrayView<ILGPU.Half> features,
        ReadOnlySpan<PatchGrid> grids, ArrayView<float> tokens, CudaStream stream)
        => ResampleViews(resampler, features, new FrameGroups(grids), tokens, stream);

    /// <inheritdoc cref="Resample(Resampler, ArrayView{float}, ReadOnlySpan{PatchGrid}, ArrayView{float},
    /// CudaStream)"/>
    public static void Resample(this Resampler resampler, ArrayView<ILGPU.Half> features,
        ReadOnlySpan<PatchGrid> grids, ArrayView<ILGPU.Half> tokens, CudaStream stream)
        => ResampleViews(resampler, features, new FrameGroups(grids), tokens, stream);

    /// <summary>Starts to compute the visual tokens of groups of frames with memory and a stream of an ILGPU
    /// accelerator.</summary>
    /// <param name="resampler">A model that was loaded on the accelerator
    /// (<see cref="CudaBackend.ForAccelerator"/>).</param>
    /// <param name="features">The patch features of all frames, one after another, each [H·W, C] row-major. They are
    /// not changed.</param>
    /// <param name="groups">The grids and temporal ids of the frames, and the number of frames of each group.</param>
    /// <param name="tokens">Receives [groups, M, L] row-major. Must not overlap <paramref name="features"/>.</param>
    /// <param name="stream">The stream whose order applies.</param>
    /// <exception cref="ArgumentException">A grid or a group is empty; a temporal id is below −1; a length does not
    /// match the groups; elements of type Half are not the model's type; a view or the stream belongs to another
    /// accelerator; tokens overlap features. Nothing was enqueued.</exception>
    /// <inheritdoc cref="Resample(Resampler, ArrayView{float}, ReadOnlySpan{PatchGrid}, ArrayView{float},
    /// CudaStream)"/>
    public static void Resample(this Resampler resampler, ArrayView<float> features, FrameGroups groups,
        ArrayView<float> tokens, CudaStream stream) => ResampleViews(resampler, features, groups, tokens, stream);

    /// <inheritdoc cref="Resample(Resampler, ArrayView{float}, FrameGroups, ArrayView{float}, CudaStream)"/>
    public static void Resample(this Resampler resampler, ArrayView<float> features, FrameGroups groups,
        ArrayView<ILGPU.Half> tokens, CudaStream stream) => ResampleViews(resampler, features, groups, tokens, stream);

    /// <inheritdoc cref="Resample(Resampler, ArrayView{float}, FrameGroups, ArrayView{float}, CudaStream)"/>
    public static void Resample(this Resampler resampler, ArrayView<ILGPU.Half> features, FrameGroups groups,
        ArrayView<float> tokens, CudaStream stream) => ResampleViews(resampler, features, groups, tokens, stream);

    /// <inheritdoc cref="Resample(Resampler, ArrayView{float}, FrameGroups, ArrayView{float}, CudaStream)"/>
    public static void Resample(this Resampler resampler, ArrayView<ILGPU.Half> features, FrameGroups groups,
        ArrayView<ILGPU.Half> tokens, CudaStream stream) => ResampleViews(resampler, features, groups, tokens, stream);

    /// <summary>Waits for all earlier calls. Throws if a call of this class since the last check computed a number
    /// outside the range of the model's precision, or had features that were NaN or infinite.</summary>
    /// <param name="resampler">A model that was loaded with <see cref="CudaBackend"/>.</param>
    /// <exception cref="ActivationOverflowException">A call since the last check has invalid tokens. In float16 it is a
    /// <see cref="Float16OverflowException"/>. The model stays usable.</exception>
    /// <exception cref="InvalidOperationException">The model does not run on a CUDA device.</exception>
    /// <exception cref="DeviceException">The device failed.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public static void ThrowIfOverflowed(this Resampler resampler) => EngineOf(resampler).ThrowIfOverflowed();

    private static void ResampleViews<TFeature, TToken>(Resampler resampler, ArrayView<TFeature> features,
        FrameGroups groups, ArrayView<TToken> tokens, CudaStream stream)
        where TFeature : unmanaged
        where TToken : unmanaged
    {
        GpuEngine engine = EngineOf(resampler);
        ArgumentNullException.ThrowIfNull(stream);
        ObjectDisposedException.ThrowIf(stream.IsDisposed, stream);
        if (stream.Accelerator != AcceleratorOf(engine))
            ThrowForeign(nameof(stream), stream.Accelerator);
        Resample(resampler, TensorOf(engine, features, nameof(features)), groups,
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
            ?? throw new InvalidOperationException("expected a model that was loaded with CudaBackend, found one " +
                $"that runs on {resampler.Description}: set ResamplerOptions.Backend");
    }

    [DoesNotReturn]
    private static void ThrowForeign(string name, Accelerator found)
        => throw new ArgumentException($"{name}: expected memory and streams of the ILGPU accelerator that the " +
            $"model was loaded on (CudaBackend.ForAccelerator), found those of another, {found.Name}", name);
}
