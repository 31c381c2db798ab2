using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.ML.OnnxRuntime;

namespace MsResampler.Vision;

/// <summary>The stages of a tokenizer: decoding, encoding, resampling. In a stream every stage has its own thread, and
/// decoding several, so that the stages of different images overlap. Bounded queues between them limit the images in
/// memory and keep their order.</summary>
internal sealed class TokenizerStages(VisionEncoder encoder, Resampler resampler, int batchSize, int decoderCount)
{
    // One batch waits while the next one is encoded and the one before is resampled.
    private const int WaitingBatchCount = 1;

    // The longest wait for more images of a batch.
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(100);

    /// <summary>Computes the tokens of one image on the calling thread.</summary>
    public VisualTokens Tokenize(ImageInput image, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(image);
        using EncodedImages encoded = encoder.Encode(image, cancellationToken);
        return Resample(encoded, 0, cancellationToken);
    }

    /// <summary>Computes the tokens of many images.</summary>
    public async IAsyncEnumerable<TokenizationResult> Stream(IAsyncEnumerable<ImageInput> images,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Channel<Decoding> decodings = Bounded<Decoding>(decoderCount);
        Channel<Batch> batches = Bounded<Batch>(WaitingBatchCount);
        Channel<TokenizationResult> results = Bounded<TokenizationResult>(batchSize);
        Task[] stages =
        [
            Run(decodings.Writer, writer => Decode(images, writer, stop.Token)),
            Run(batches.Writer, writer => Encode(decodings.Reader, writer, stop.Token)),
            Run(results.Writer, writer => Resample(batches.Reader, writer, stop.Token)),
        ];
        try
        {
            await foreach (TokenizationResult result in results.Reader.ReadAllAsync(cancellationToken)
                .ConfigureAwait(false))
                yield return result;
        }
        finally
        {
            // Reached early if the consumer stops: then the stages still work.
            await stop.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(stages).ConfigureAwait(false);
            while (batches.Reader.TryRead(out Batch? batch))
                batch.Dispose();
            while (decodings.Reader.TryRead(out Decoding? decoding))
                await ((Task)decoding.Image).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Runs a stage. Its exception becomes that of its queue, and so of the next stage.</summary>
    private static Task Run<T>(ChannelWriter<T> writer, Func<ChannelWriter<T>, Task> stage)
        => Task.Run(async () =>
        {
            try
            {
                await stage(writer).ConfigureAwait(false);
                writer.Complete();
            }
#pragma warning disable CA1031 // Passed on through the queue.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                writer.Complete(exception);
            }
        }, CancellationToken.None);

    private static Channel<T> Bounded<T>(int capacity) => Channel.CreateBounded<T>(new BoundedChannelOptions(capacity)
    {
        SingleReader = true,
        SingleWriter = true,
    });

    private async Task Decode(IAsyncEnumerable<ImageInput> images, ChannelWriter<Decoding> writer,
        CancellationToken stop)
    {
        long index = 0;
        await foreach (ImageInput image in images.WithCancellation(stop).ConfigureAwait(false))
        {
            // A decoding starts when there is room for it in the queue.
            if (!await writer.WaitToWriteAsync(stop).ConfigureAwait(false))
                return;
            Task<RgbImage> decoded = Task.Run(() => encoder.Prepare(image, stop), CancellationToken.None);
            // There is room, and a cancellation must not leave the decoding out: somebody has to wait for it.
            if (!writer.TryWrite(new Decoding(index++, image, decoded)))
                throw new UnreachableException("a queue without room");
        }
    }

    private async Task Encode(ChannelReader<Decoding> reader, ChannelWriter<Batch> writer, CancellationToken stop)
    {
        Batch batch = new();
        try
        {
            while (true)
            {
                if (!reader.TryRead(out Decoding? decoding))
                {
                    Task<bool> more = reader.WaitToReadAsync(stop).AsTask();
                    // A source that pauses, perhaps until it sees a result, must not hold back what it has given.
                    if (batch.Entries.Count > 0 && !more.IsCompleted
                        && await Task.WhenAny(more, Task.Delay(s_patience, stop)).ConfigureAwait(false) != more)
                        await SendAndRenew().ConfigureAwait(false);
                    if (!await more.ConfigureAwait(false))
                        break;
                    continue;
                }

                RgbImage? image = null;
                Exception? error = null;
                try
                {
                    image = await decoding.Image.ConfigureAwait(false);
                }
                catch (InvalidImageException exception)
                {
                    error = exception;
                }

                if (image is not null && batch.Images.Count > 0 && image.Size != batch.Images[0].Size)
                    await SendAndRenew().ConfigureAwait(false);
                batch.Add(decoding, image, error);
                if (batch.Images.Count == batchSize || batch.Entries.Count == Batch.MaxEntryCount)
                    await SendAndRenew().ConfigureAwait(false);
            }
        }
        catch when (batch.Entries.Count > 0 && !stop.IsCancellationRequested)
        {
            // The images before an exception of the source still get their tokens.
            await SendAndRenew().ConfigureAwait(false);
            throw;
        }

        if (batch.Entries.Count > 0)
            await SendAndRenew().ConfigureAwait(false);

        Task SendAndRenew()
        {
            (Batch full, batch) = (batch, new Batch());
            return Send(full, writer, stop);
        }
    }

    private async Task Send(Batch batch, ChannelWriter<Batch> writer, CancellationToken stop)
    {
        try
        {
            if (batch.Images.Count > 0)
                batch.Encoded = encoder.Encode(batch.Images, stop);
        }
        catch (Exception exception) when (IsOfImage(exception))
        {
            batch.EncodeError = exception;
        }

        batch.DropPixels();
        try
        {
            await writer.WriteAsync(batch, stop).ConfigureAwait(false);
        }
        catch
        {
            batch.Dispose();
            throw;
        }
    }

    private async Task Resample(ChannelReader<Batch> reader, ChannelWriter<TokenizationResult> writer,
        CancellationToken stop)
    {
        await foreach (Batch batch in reader.ReadAllAsync(stop).ConfigureAwait(false))
        {
            using (batch)
            {
                (VisualTokens? Tokens, Exception? Error)[] outcomes
                    = batch.Encoded is null ? [] : TryResample(batch.Encoded, stop);
                int encodedIndex = 0;
                foreach (Batch.Entry entry in batch.Entries)
                {
                    (VisualTokens? tokens, Exception? error) = (null, entry.Error ?? batch.EncodeError);
                    if (error is null)
                        (tokens, error) = outcomes[encodedIndex++];
                    await writer.WriteAsync(new TokenizationResult(entry.Index, entry.Image, tokens, error), stop)
                        .ConfigureAwait(false);
                }
            }
        }
    }

    private (VisualTokens? Tokens, Exception? Error)[] TryResample(EncodedImages encoded, CancellationToken stop)
    {
        if (encoded is { AreContiguous: true, Count: > 1 } && TryResampleTogether(encoded, stop) is { } together)
            return [.. together.Select(tokens => ((VisualTokens?)tokens, (Exception?)null))];
        (VisualTokens?, Exception?)[] outcomes = new (VisualTokens?, Exception?)[encoded.Count];
        for (int image = 0; image < encoded.Count; image++)
        {
            try
            {
                outcomes[image] = (Resample(encoded, image, stop), null);
            }
            catch (Exception exception) when (IsOfFeatures(exception))
            {
                outcomes[image] = (null, exception);
            }
        }

        return outcomes;
    }

    /// <summary>Computes the tokens of all images in one call; null if one of them fails.</summary>
    private VisualTokens[]? TryResampleTogether(EncodedImages encoded, CancellationToken stop)
    {
        (int count, int width) = (resampler.TokenCount, resampler.TokenWidth);
        float[] tokens = GC.AllocateUninitializedArray<float>(resampler.TokenLength(encoded.Count));
        PatchGrid[] grids = [.. Enumerable.Repeat(encoded.Grid, encoded.Count)];
        try
        {
            resampler.Resample(encoded.All, grids, tokens, stop);
        }
        catch (Exception exception) when (IsOfFeatures(exception))
        {
            return null;
        }

        return [.. grids.Select((grid, image) =>
            new VisualTokens(tokens.AsMemory(image * count * width, count * width), count, width, grid))];
    }

    private VisualTokens Resample(EncodedImages encoded, int image, CancellationToken cancellationToken)
        => new(resampler.Resample(encoded.Features(image), encoded.Grid, cancellationToken), resampler.TokenCount,
            resampler.TokenWidth, encoded.Grid);

    private static bool IsOfFeatures(Exception exception)
        => exception is InvalidFeaturesException or ActivationOverflowException;

    /// <summary>Whether a failure of the encoder can be due to the image. With a fixed input size it cannot.</summary>
    private bool IsOfImage(Exception exception)
        => encoder.InputSize is null && exception is (OnnxRuntimeException or InvalidEncoderException);

    /// <summary>An image that is being decoded.</summary>
    private sealed record Decoding(long Index, ImageInput Input, Task<RgbImage> Image);

    /// <summary>Neighbouring images of a stream: those that are encoded together, and bad ones between them.</summary>
    private sealed class Batch : IDisposable
    {
        // Bad images must not be kept back for long.
        public const int MaxEntryCount = 64;

        public List<Entry> Entries { get; } = [];

        public List<RgbImage> Images { get; } = [];

        public EncodedImages? Encoded { get; set; }

        public Exception? EncodeError { get; set; }

        public void Add(Decoding decoding, RgbImage? image, Exception? error)
        {
            Entries.Add(new Entry(decoding.Index, decoding.Input, error));
            if (image is not null)
                Images.Add(image);
        }

        public void DropPixels() => Images.Clear();

        public void Dispose() => Encoded?.Dispose();

        public sealed record Entry(long Index, ImageInput Image, Exception? Error);
    }
}
