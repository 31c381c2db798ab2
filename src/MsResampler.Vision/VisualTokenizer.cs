using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.AI;

namespace MsResampler.Vision;

/// <summary>Turns photos into visual tokens: decodes and prepares them, runs the vision encoder, and resamples its
/// patch features.</summary>
/// <remarks>All members are thread-safe. Disposal waits for calls in progress.</remarks>
public sealed class VisualTokenizer : IEmbeddingGenerator<DataContent, VisualTokens>
{
    private const string ProviderName = "msresampler";
    private const string OperationName = "tokenize";
    private const int MaxDecoderCount = 8;

    private readonly bool _ownsParts;
    private readonly SemaphoreSlim _turns;
    private readonly EmbeddingGeneratorMetadata _metadata;

    /// <summary>Joins an encoder and a resampler.</summary>
    /// <param name="encoder">The encoder.</param>
    /// <param name="resampler">The resampler. Its <c>vision_hidden_size</c> is the encoder's number of
    /// channels.</param>
    /// <param name="options">The options; those of the encoder and the resampler have no effect. Null for the
    /// defaults.</param>
    /// <param name="ownsParts">Whether disposal also disposes the encoder and the resampler.</param>
    /// <exception cref="ArgumentException">The numbers of channels differ.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public VisualTokenizer(VisionEncoder encoder, Resampler resampler, VisualTokenizerOptions? options = null,
        bool ownsParts = false)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        ArgumentNullException.ThrowIfNull(resampler);
        options ??= new VisualTokenizerOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.BatchSize, 1, "options.BatchSize");
        ArgumentOutOfRangeException.ThrowIfNegative(options.DecoderCount, "options.DecoderCount");
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxConcurrentCalls, 1, "options.MaxConcurrentCalls");
        if (encoder.ChannelCount != resampler.Config.VisionHiddenSize)
        {
            throw new ArgumentException($"{encoder.Name}: expected {resampler.Config.VisionHiddenSize} channels, the " +
                $"vision_hidden_size of the resampler, found {encoder.ChannelCount} in its output " +
                $"'{encoder.OutputName}'", nameof(encoder));
        }

        (Encoder, Resampler, _ownsParts) = (encoder, resampler, ownsParts);
        Stages = new TokenizerStages(encoder, resampler, Math.Min(options.BatchSize, encoder.MaxBatchSize),
            options.DecoderCount > 0 ? options.DecoderCount : Math.Min(Environment.ProcessorCount, MaxDecoderCount));
        _turns = new SemaphoreSlim(options.MaxConcurrentCalls);
        _metadata = new EmbeddingGeneratorMetadata(ProviderName, providerUri: null,
            Path.GetFileNameWithoutExtension(encoder.Name),
            resampler.TokenLength(1));
    }

    /// <summary>The encoder.</summary>
    public VisionEncoder Encoder { get; }

    /// <summary>The resampler.</summary>
    public Resampler Resampler { get; }

    private TokenizerStages Stages { get; }

    /// <summary>Loads an encoder and a resampler.</summary>
    /// <param name="encoderPath">The encoder; see <see cref="VisionEncoder.Load(string,
    /// VisionEncoderOptions)"/>.</param>
    /// <param name="modelPath">The resampler; see
    /// <see cref="MsResampler.Resampler.Load(string, ResamplerOptions)"/>.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <exception cref="ArgumentException">The numbers of channels of the encoder and of the resampler
    /// differ.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    /// <inheritdoc cref="VisionEncoder.Load(string, VisionEncoderOptions)" path="/exception"/>
    /// <inheritdoc cref="MsResampler.Resampler.Load(string, ResamplerOptions)" path="/exception"/>
    public static VisualTokenizer Load(string encoderPath, string modelPath, VisualTokenizerOptions? options = null)
    {
        options ??= new VisualTokenizerOptions();
        VisionEncoder? encoder = null;
        Resampler? resampler = null;
        try
        {
            resampler = Resampler.Load(modelPath, options.Resampler);
            encoder = VisionEncoder.Load(encoderPath, options.Encoder);
            return new VisualTokenizer(encoder, resampler, options, ownsParts: true);
        }
        catch
        {
            encoder?.Dispose();
            resampler?.Dispose();
            throw;
        }
    }

    /// <summary>Computes the tokens of an image.</summary>
    /// <param name="image">The image.</param>
    /// <param name="cancellationToken">Checked in every stage.</param>
    /// <exception cref="InvalidImageException">The image is damaged, too large or has another format.</exception>
    /// <exception cref="InvalidEncoderException">The output of the encoder cannot be read as patch
    /// features.</exception>
    /// <exception cref="InvalidFeaturesException">The encoder computed NaN or infinity.</exception>
    /// <exception cref="ActivationOverflowException">A value left the range of the resampler's
    /// precision.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">A part was disposed.</exception>
    public VisualTokens Tokenize(ImageInput image, CancellationToken cancellationToken = default)
    {
        TelemetryOperation operation = Telemetry.Start(OperationName);
        try
        {
            VisualTokens tokens = Stages.Tokenize(image, cancellationToken);
            operation.Complete(imageCount: 1, tokens.Count);
            return tokens;
        }
        catch (Exception exception)
        {
            operation.Fail(exception);
            throw;
        }
    }

    /// <summary>Computes the tokens of an image file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="cancellationToken">Checked in every stage.</param>
    /// <inheritdoc cref="Tokenize(ImageInput, CancellationToken)" path="/exception"/>
    public VisualTokens Tokenize(string path, CancellationToken cancellationToken = default)
        => Tokenize(ImageInput.FromFile(path), cancellationToken);

    /// <summary>Computes the tokens of an image in a stream, which is read to its end and stays open.</summary>
    /// <param name="stream">The image.</param>
    /// <param name="cancellationToken">Checked in every stage.</param>
    /// <inheritdoc cref="Tokenize(ImageInput, CancellationToken)" path="/exception"/>
    public VisualTokens Tokenize(Stream stream, CancellationToken cancellationToken = default)
        => Tokenize(ImageInput.FromStream(stream, leaveOpen: true), cancellationToken);

    /// <summary>Computes the tokens of an image in memory.</summary>
    /// <param name="bytes">The encoded image.</param>
    /// <param name="cancellationToken">Checked in every stage.</param>
    /// <inheritdoc cref="Tokenize(ImageInput, CancellationToken)" path="/exception"/>
    public VisualTokens Tokenize(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
        => Tokenize(ImageInput.FromBytes(bytes), cancellationToken);

    /// <summary>Computes the tokens of several images, in their order. Their stages overlap.</summary>
    /// <param name="images">The images.</param>
    /// <param name="cancellationToken">Checked in every stage.</param>
    /// <inheritdoc cref="Tokenize(ImageInput, CancellationToken)" path="/exception"/>
    public IReadOnlyList<VisualTokens> Tokenize(IReadOnlyList<ImageInput> images,
        CancellationToken cancellationToken = default)
        => TokenizeAsync(images, cancellationToken).ToListAsync(cancellationToken).AsTask().GetAwaiter().GetResult();

    /// <summary>Computes the tokens of an image on threads of the pool. At most
    /// <see cref="VisualTokenizerOptions.MaxConcurrentCalls"/> such calls work at the same time.</summary>
    /// <inheritdoc cref="Tokenize(ImageInput, CancellationToken)"/>
    public Task<VisualTokens> TokenizeAsync(ImageInput image, CancellationToken cancellationToken = default)
        => InTurn(1, () => Task.Run(() => Stages.Tokenize(image, cancellationToken), cancellationToken),
            cancellationToken);

    /// <summary>Computes the tokens of many images, in their order. Decoding, encoding and resampling of different
    /// images overlap, and only a few images are in memory.</summary>
    /// <param name="images">The images, read as they are needed.</param>
    /// <param name="cancellationToken">Checked in every stage.</param>
    /// <returns>One result per image; the first image that has no tokens ends the stream with its exception.</returns>
    /// <inheritdoc cref="Tokenize(ImageInput, CancellationToken)" path="/exception"/>
    public async IAsyncEnumerable<VisualTokens> TokenizeAsync(IAsyncEnumerable<ImageInput> images,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await foreach (TokenizationResult result in TryTokenizeAsync(images, cancellationToken).ConfigureAwait(false))
        {
            if (!result.IsSuccess)
                ExceptionDispatchInfo.Throw(result.Error);
            yield return result.Tokens;
        }
    }

    /// <inheritdoc cref="TokenizeAsync(IAsyncEnumerable{ImageInput}, CancellationToken)"/>
    public IAsyncEnumerable<VisualTokens> TokenizeAsync(IEnumerable<ImageInput> images,
        CancellationToken cancellationToken = default)
        => TokenizeAsync(images.ToAsyncEnumerable(), cancellationToken);

    /// <summary>Computes the tokens of many images, in their order, and goes on after bad images. Decoding, encoding
    /// and resampling of different images overlap, and only a few images are in memory.</summary>
    /// <param name="images">The images, read as they are needed.</param>
    /// <param name="cancellationToken">Checked in every stage.</param>
    /// <returns>One result per image, with its tokens or its error. Only errors that do not depend on the image end the
    /// stream: a failure of the encoder with a fixed input size, cancellation, disposal, lack of memory.</returns>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">A part was disposed.</exception>
    public IAsyncEnumerable<TokenizationResult> TryTokenizeAsync(IAsyncEnumerable<ImageInput> images,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(images);
        return Stages.Stream(images, cancellationToken);
    }

    /// <inheritdoc cref="TryTokenizeAsync(IAsyncEnumerable{ImageInput}, CancellationToken)"/>
    public IAsyncEnumerable<TokenizationResult> TryTokenizeAsync(IEnumerable<ImageInput> images,
        CancellationToken cancellationToken = default)
        => TryTokenizeAsync(images.ToAsyncEnumerable(), cancellationToken);

    /// <summary>Prepares encoder and resampler, so that not even the first image waits for preparations: computes the
    /// tokens of a black image.</summary>
    /// <param name="cancellationToken">Checked in every stage.</param>
    /// <exception cref="OperationCanceledException">The call was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">A part was disposed.</exception>
    public Task WarmUpAsync(CancellationToken cancellationToken = default) => Task.Run(() =>
    {
        using EncodedImages encoded = Encoder.Encode([Encoder.Blank()], cancellationToken);
        Resampler.WarmUp([encoded.Grid], cancellationToken);
    }, cancellationToken);

    /// <summary>Computes the tokens of images in memory, for Microsoft.Extensions.AI.</summary>
    /// <param name="values">The images, with their bytes.</param>
    /// <param name="options">Null, or options whose dimensions are null or M·L.</param>
    /// <param name="cancellationToken">Checked in every stage.</param>
    /// <exception cref="ArgumentException">A value is not an image, or the dimensions are not M·L.</exception>
    /// <inheritdoc cref="Tokenize(ImageInput, CancellationToken)" path="/exception"/>
    public Task<GeneratedEmbeddings<VisualTokens>> GenerateAsync(IEnumerable<DataContent> values,
        EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (options?.Dimensions is { } wanted && wanted != _metadata.DefaultModelDimensions)
        {
            throw new ArgumentException($"options.Dimensions: expected {_metadata.DefaultModelDimensions}, " +
                $"the number of values of all tokens of an image, or null, found {wanted}", nameof(options));
        }

        ImageInput[] images = ToInputs(values);
        return InTurn(images.Length, async () =>
        {
            GeneratedEmbeddings<VisualTokens> result = new(images.Length);
            await foreach (VisualTokens tokens in TokenizeAsync(images, cancellationToken).ConfigureAwait(false))
            {
                tokens.ModelId = options?.ModelId ?? _metadata.DefaultModelId;
                tokens.CreatedAt = DateTimeOffset.UtcNow;
                result.Add(tokens);
            }

            return result;
        }, cancellationToken);
    }

    /// <summary>Finds a service: this tokenizer, its encoder, its resampler, or the metadata of
    /// Microsoft.Extensions.AI.</summary>
    /// <param name="serviceType">The type of the service.</param>
    /// <param name="serviceKey">Null; there are no services with keys.</param>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : new object[] { this, _metadata, Encoder, Resampler }.FirstOrDefault(serviceType.IsInstanceOfType);
    }

    /// <summary>Disposes the encoder and the resampler if this instance owns them.</summary>
    public void Dispose()
    {
        if (!_ownsParts)
            return;
        Encoder.Dispose();
        Resampler.Dispose();
    }

    private static ImageInput[] ToInputs(IEnumerable<DataContent> values)
    {
        List<ImageInput> images = [];
        foreach (DataContent content in values)
        {
            string name = content.Name ?? $"image {images.Count}";
            images.Add(content.HasTopLevelMediaType("image") ? ImageInput.FromBytes(content.Data, name)
                : throw new ArgumentException($"{name}: expected an image, found {content.MediaType}", nameof(values)));
        }

        return [.. images];
    }

    private async Task<T> InTurn<T>(int imageCount, Func<Task<T>> call, CancellationToken cancellationToken)
    {
        TelemetryOperation operation = Telemetry.Start(OperationName);
        try
        {
            await _turns.WaitAsync(cancellationToken).ConfigureAwait(false);
            T result;
            try
            {
                result = await call().ConfigureAwait(false);
            }
            finally
            {
                _turns.Release();
            }

            operation.Complete(imageCount, (long)imageCount * Resampler.TokenCount);
            return result;
        }
        catch (Exception exception)
        {
            operation.Fail(exception);
            throw;
        }
    }
}
