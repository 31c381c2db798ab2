using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MsResampler.Vision;

/// <summary>A vision encoder in ONNX: turns images into patch features. Any model with one input for images and an
/// output [B, N, C], [B, C, H, W] or [B, H, W, C] works; a class token is left out.</summary>
/// <remarks>All members are thread-safe. Calls in progress when <see cref="Dispose"/> is called finish normally; later
/// calls throw <see cref="ObjectDisposedException"/>.</remarks>
public sealed class VisionEncoder : IDisposable
{
    private const string UsualOutputName = "last_hidden_state";

    // For encoders that accept any size, only to learn the number of channels.
    private static readonly ImageSize s_trialSize = new(224, 224);

    private readonly VisionEncoderOptions _options;
    private readonly InferenceSession _session;
    private readonly EncoderInput _input;
    private readonly string _outputName;
    private readonly ImagePreprocessor _preprocessor;
    private readonly Usage _usage = new();

    private VisionEncoder(InferenceSession session, string name, VisionEncoderOptions options)
    {
        (_session, _options, Name) = (session, options, name);
        _input = EncoderInput.Find(session.InputMetadata, options);
        _outputName = FindOutput(session.OutputMetadata, options);
        ImagePreprocessing preprocessing = options.Preprocessing ?? Beside(name);
        _preprocessor = new ImagePreprocessor(_input.Size is { } size ? preprocessing.For(size) : preprocessing);
        ChannelCount = FindChannelCount();
    }

    /// <summary>The file of the model, or "encoder" if it was in memory.</summary>
    public string Name { get; }

    /// <summary>How images are prepared.</summary>
    public ImagePreprocessing Preprocessing => _preprocessor.Preprocessing;

    /// <summary>The size of every image in the encoder; null if it follows the image.</summary>
    public ImageSize? InputSize => _input.Size;

    /// <summary>The order of the input's values.</summary>
    public PixelLayout InputLayout => _input.Layout;

    /// <summary>The name of the output that is read.</summary>
    public string OutputName => _outputName;

    /// <summary>C, the number of channels of the patch features.</summary>
    public int ChannelCount { get; }

    /// <summary>Loads an encoder.</summary>
    /// <param name="path">The <c>.onnx</c> file; data beside it are found by ONNX Runtime.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <exception cref="FileNotFoundException">The file does not exist, or there is no
    /// <c>preprocessor_config.json</c> beside it or one folder above, and the options have no
    /// preprocessing.</exception>
    /// <exception cref="InvalidEncoderException">The file is not a usable encoder, or an option does not fit
    /// it.</exception>
    public static VisionEncoder Load(string path, VisionEncoderOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"{path}: expected an ONNX encoder, found " +
                (Directory.Exists(path) ? "a folder; name the .onnx file in it" : "nothing"), path);
        }

        return Load(path, options, session => new InferenceSession(path, session));
    }

    /// <summary>Loads an encoder from memory.</summary>
    /// <param name="model">The bytes of the <c>.onnx</c> file.</param>
    /// <param name="options">The options, with the preprocessing.</param>
    /// <exception cref="ArgumentException">The options have no preprocessing.</exception>
    /// <exception cref="InvalidEncoderException">The bytes are not a usable encoder, or an option does not fit
    /// it.</exception>
    public static VisionEncoder Load(ReadOnlyMemory<byte> model, VisionEncoderOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Preprocessing is null)
        {
            throw new ArgumentException("options.Preprocessing: expected a value, found null; an encoder in memory " +
                $"has no {PreprocessorConfig.FileName} beside it", nameof(options));
        }

        byte[] bytes = MemoryMarshal.TryGetArray(model, out ArraySegment<byte> segment)
            && segment.Offset == 0 && segment.Count == segment.Array!.Length ? segment.Array : model.ToArray();
        return Load("encoder", options, session => new InferenceSession(bytes, session));
    }

    /// <summary>Decodes an image and prepares it for <see cref="Encode(IReadOnlyList{RgbImage},
    /// CancellationToken)"/>.</summary>
    /// <param name="image">The image.</param>
    /// <param name="cancellationToken">Ends the wait for memory to decode.</param>
    /// <exception cref="InvalidImageException">The image is damaged, too large or has another format.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    public RgbImage Prepare(ImageInput image, CancellationToken cancellationToken = default)
    {
        TelemetryOperation operation = Telemetry.Start("decode");
        try
        {
            RgbImage prepared = _preprocessor.Prepare(image, cancellationToken);
            operation.Complete(imageCount: 1);
            return prepared;
        }
        catch (Exception exception)
        {
            operation.Fail(exception);
            throw;
        }
    }

    /// <summary>Computes the patch features of images.</summary>
    /// <param name="images">Prepared images of one size.</param>
    /// <param name="cancellationToken">Stops the encoder between its operations.</param>
    /// <exception cref="ArgumentException">There is no image, the sizes differ, or they are not the encoder's; or there
    /// are more images than the model takes.</exception>
    /// <exception cref="InvalidEncoderException">The output cannot be read as patch features.</exception>
    /// <exception cref="OnnxRuntimeException">The model failed.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">This instance was disposed.</exception>
    public EncodedImages Encode(IReadOnlyList<RgbImage> images, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(images);
        TelemetryOperation operation = Telemetry.Start("encode");
        try
        {
            EncodedImages encoded = EncodeOnce(images, cancellationToken);
            operation.Complete(images.Count);
            return encoded;
        }
        catch (Exception exception)
        {
            operation.Fail(exception);
            throw;
        }
    }

    /// <summary>Decodes, prepares and encodes one image.</summary>
    /// <inheritdoc cref="Prepare" path="/exception"/>
    /// <inheritdoc cref="Encode(IReadOnlyList{RgbImage}, CancellationToken)" path="/exception"/>
    public EncodedImages Encode(ImageInput image, CancellationToken cancellationToken = default)
        => Encode([Prepare(image, cancellationToken)], cancellationToken);

    /// <summary>Frees the model, after calls in progress have finished.</summary>
    public void Dispose() => _usage.Close(_session.Dispose);

    /// <summary>The largest number of images of one call.</summary>
    internal int MaxBatchSize => _input.BatchSize ?? int.MaxValue;

    /// <summary>An image of zeros with the size of a prepared image.</summary>
    internal RgbImage Blank()
    {
        ImageSize size = _input.Size ?? Preprocessing.OutputSizeOf(s_trialSize);
        return new RgbImage(size, new byte[EncoderInput.LengthOf(size)]);
    }

    private EncodedImages EncodeOnce(IReadOnlyList<RgbImage> images, CancellationToken cancellationToken)
    {
        ImageSize size = CheckSizes(images);
        using Usage.Lease lease = _usage.Enter(this);
        cancellationToken.ThrowIfCancellationRequested();
        int batchSize = _input.BatchSize ?? images.Count;
        int length = EncoderInput.LengthOf(size);
        int total = checked(batchSize * length);
        long[] shape = _input.ShapeOf(batchSize, size);
        if (_input.Type == TensorElementType.UInt8)
        {
            byte[] bytes = ArrayPool<byte>.Shared.Rent(total);
            bytes.AsSpan(images.Count * length, total - (images.Count * length)).Clear();
            for (int image = 0; image < images.Count; image++)
                CopyPixels(images[image], bytes.AsSpan(image * length, length));
            return Run(bytes, total, shape, images.Count, size, cancellationToken);
        }

        float[] pixels = ArrayPool<float>.Shared.Rent(total);
        pixels.AsSpan(images.Count * length, total - (images.Count * length)).Clear();
        for (int image = 0; image < images.Count; image++)
            _preprocessor.Write(images[image], _input.Layout, pixels.AsSpan(image * length, length));
        if (_input.Type == TensorElementType.Float)
            return Run(pixels, total, shape, images.Count, size, cancellationToken);
        Float16[] halves = ArrayPool<Float16>.Shared.Rent(total);
        TensorPrimitives.ConvertToHalf(pixels.AsSpan(0, total),
            MemoryMarshal.Cast<Float16, Half>(halves.AsSpan(0, total)));
        ArrayPool<float>.Shared.Return(pixels);
        return Run(halves, total, shape, images.Count, size, cancellationToken);
    }

    private static VisionEncoder Load(string name, VisionEncoderOptions? options,
        Func<SessionOptions, InferenceSession> open)
    {
        options ??= new VisionEncoderOptions();
        ArgumentOutOfRangeException.ThrowIfNegative(options.ThreadCount, "options.ThreadCount");
        ArgumentOutOfRangeException.ThrowIfNegative(options.PrefixTokenCount ?? 0, "options.PrefixTokenCount");
        InferenceSession? session = null;
        try
        {
            using SessionOptions sessionOptions = options.CreateSessionOptions?.Invoke() ?? CreateOptions(options);
            session = open(sessionOptions);
            return new VisionEncoder(session, name, options);
        }
        catch (OnnxRuntimeException exception)
        {
            session?.Dispose();
            throw new InvalidEncoderException($"{name}: ONNX Runtime cannot load the model: {exception.Message}",
                exception);
        }
        catch (InvalidEncoderException exception)
        {
            session?.Dispose();
            throw new InvalidEncoderException($"{name}: {exception.Message}", exception);
        }
        catch
        {
            session?.Dispose();
            throw;
        }
    }

    private static SessionOptions CreateOptions(VisionEncoderOptions options)
    {
        SessionOptions session = new()
        {
            IntraOpNumThreads = options.ThreadCount,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        // Threads that wait in a loop would take the processor from decoders and from the resampler.
        session.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
        return session;
    }

    private static ImagePreprocessing Beside(string path)
        => PreprocessorConfig.FindFolder(path) is { } folder ? ImagePreprocessing.Load(folder)
            : throw new FileNotFoundException($"{path}: expected {PreprocessorConfig.FileName} beside the model or " +
                "one folder above, or a preprocessing in the options (Clip, SigLip or ImageNet), found neither",
                Path.Combine(Path.GetDirectoryName(path)!, PreprocessorConfig.FileName));

    private static string FindOutput(IReadOnlyDictionary<string, NodeMetadata> outputs, VisionEncoderOptions options)
    {
        if (options.OutputName is { } wanted)
        {
            return outputs.ContainsKey(wanted) ? wanted : throw new InvalidEncoderException(
                $"output '{wanted}': expected one of {EncoderInput.Describe(outputs)}, found no such output");
        }

        string[] candidates = [.. outputs.Where(output => CanBeFeatures(output.Value)).Select(output => output.Key)];
        return candidates.Contains(UsualOutputName) ? UsualOutputName
            : candidates.Length == 1 ? candidates[0]
            : throw new InvalidEncoderException($"expected one output [B,N,C], [B,C,H,W] or [B,H,W,C], found " +
                $"{candidates.Length} among {EncoderInput.Describe(outputs)}; " + (candidates.Length > 1
                    ? "name OutputName"
                    : "a map inside the graph must be exported as an output; for one vector per " +
                        "image name OutputName"));
    }

    private static bool CanBeFeatures(NodeMetadata output) => output.IsTensor
        && output.ElementDataType is TensorElementType.Float or TensorElementType.Float16
        && output.Dimensions switch
        {
            [] => true, // the model does not declare the shape
            [_, _, _] => true,
            [_, var first, var second, var third] => (first != 1 || second != 1) && (second != 1 || third != 1),
            _ => false,
        };

    private int FindChannelCount()
    {
        int[] declared = _session.OutputMetadata[_outputName].Dimensions;
        ImageSize size = Blank().Size;
        if (declared.Length > 0 && declared.Skip(1).All(extent => extent > 0))
            return FeatureMap.Find(_outputName, [1, .. declared.Skip(1).Select(extent => (long)extent)], size,
                _input.Layout, _options).ChannelCount;
        if (declared is [_, _, > 0])
            return declared[2];
        using EncodedImages trial = Encode([Blank()]);
        return trial.ChannelCount;
    }

    private ImageSize CheckSizes(IReadOnlyList<RgbImage> images)
    {
        if (images.Count == 0 || images.Count > MaxBatchSize)
        {
            string expected = images.Count == 0 ? "at least 1 image"
                : $"at most {MaxBatchSize} images, the batch size of the model";
            throw new ArgumentException($"expected {expected}, found {images.Count}", nameof(images));
        }

        ImageSize size = _input.Size ?? images[0].Size;
        for (int index = 0; index < images.Count; index++)
        {
            if (images[index].Size != size)
            {
                throw new ArgumentException($"image {index}: expected {size} pixels, " + (_input.Size is null
                    ? "as the first image has" : "the size of the encoder's input") + $", found {images[index].Size}",
                    nameof(images));
            }

            int length = EncoderInput.LengthOf(size);
            if (images[index].Pixels.Length != length)
            {
                throw new ArgumentException($"image {index}: expected {length} values for {size} pixels, found " +
                    $"{images[index].Pixels.Length}", nameof(images));
            }
        }

        return size;
    }

    private void CopyPixels(RgbImage image, Span<byte> destination)
    {
        if (_input.Layout == PixelLayout.ChannelsLast)
        {
            image.Pixels.CopyTo(destination);
            return;
        }

        int plane = destination.Length / 3;
        for (int pixel = 0; pixel < plane; pixel++)
            for (int channel = 0; channel < 3; channel++)
                destination[(channel * plane) + pixel] = image.Pixels[(3 * pixel) + channel];
    }

    private EncodedImages Run<T>(T[] rented, int length, long[] shape, int imageCount, ImageSize size,
        CancellationToken cancellationToken)
        where T : unmanaged
    {
        try
        {
            using OrtValue input = OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance,
                rented.AsMemory(0, length), shape);
            using RunOptions run = new();
            using CancellationTokenRegistration stop = cancellationToken.UnsafeRegister(
                static state => ((RunOptions)state!).Terminate = true, run);
            return Read(_session.Run(run, [_input.Name], [input], [_outputName]), imageCount, size);
        }
        catch (OnnxRuntimeException exception) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException("the encoder was stopped", exception, cancellationToken);
        }
        finally
        {
            ArrayPool<T>.Shared.Return(rented);
        }
    }

    [SuppressMessage("Reliability", "CA2000", Justification = "The result owns the outputs.")]
    private EncodedImages Read(IDisposableReadOnlyCollection<OrtValue> outputs, int imageCount, ImageSize size)
    {
        try
        {
            OrtValue value = outputs[0];
            OrtTensorTypeAndShapeInfo info = value.GetTensorTypeAndShape();
            FeatureMap map = FeatureMap.Find(_outputName, info.Shape, size, _input.Layout, _options);
            if (info.Shape[0] < imageCount)
                throw new InvalidEncoderException($"output '{_outputName}': expected {imageCount} images, found " +
                    $"{info.Shape[0]}");
            bool isFloat = info.ElementDataType == TensorElementType.Float;
            if (!isFloat && info.ElementDataType != TensorElementType.Float16)
                throw new InvalidEncoderException($"output '{_outputName}': expected float32 or float16, found " +
                    $"{info.ElementDataType}");
            if (isFloat && map.Layout != FeatureLayout.ChannelsFirst)
                return new EncodedImages(imageCount, map, outputs, () => value.GetTensorDataAsSpan<float>(), null);

            int length = checked(imageCount * map.RowCount * map.ChannelCount);
            float[] features = ArrayPool<float>.Shared.Rent(length);
            if (isFloat)
                ToRows(value.GetTensorDataAsSpan<float>(), features, imageCount, map);
            else
                Widen(value, features, imageCount, map);
            outputs.Dispose();
            return new EncodedImages(imageCount, map, null, () => features, features);
        }
        catch
        {
            outputs.Dispose();
            throw;
        }
    }

    private static void Widen(OrtValue value, float[] features, int imageCount, FeatureMap map)
    {
        int length = imageCount * map.RowCount * map.ChannelCount;
        ReadOnlySpan<Half> halves = MemoryMarshal.Cast<Float16, Half>(value.GetTensorDataAsSpan<Float16>())[..length];
        if (map.Layout != FeatureLayout.ChannelsFirst)
        {
            TensorPrimitives.ConvertToSingle(halves, features.AsSpan(0, length));
            return;
        }

        float[] planes = ArrayPool<float>.Shared.Rent(length);
        TensorPrimitives.ConvertToSingle(halves, planes.AsSpan(0, length));
        ToRows(planes, features, imageCount, map);
        ArrayPool<float>.Shared.Return(planes);
    }

    /// <summary>Turns planes of channels into rows of patches.</summary>
    private static void ToRows(ReadOnlySpan<float> planes, Span<float> rows, int imageCount, FeatureMap map)
    {
        // Blocks of this side stay in the first-level cache.
        const int Side = 16;
        (int patchCount, int channelCount) = ((int)map.Grid.PatchCount, map.ChannelCount);
        for (int image = 0; image < imageCount; image++)
        {
            ReadOnlySpan<float> from = planes.Slice(image * patchCount * channelCount, patchCount * channelCount);
            Span<float> to = rows.Slice(image * patchCount * channelCount, patchCount * channelCount);
            for (int channel = 0; channel < channelCount; channel += Side)
                for (int patch = 0; patch < patchCount; patch += Side)
                    for (int c = channel; c < Math.Min(channel + Side, channelCount); c++)
                        for (int p = patch; p < Math.Min(patch + Side, patchCount); p++)
                            to[(p * channelCount) + c] = from[(c * patchCount) + p];
        }
    }
}
