using MsResampler.Server.Protocol;
using MsResampler.Vision;

namespace MsResampler.Server.Batching;

/// <summary>Decodes the pictures of requests when they arrive, a few at the same time, on the thread pool.</summary>
/// <param name="encoder">Prepares pictures.</param>
/// <param name="count">The number of pictures at the same time.</param>
internal sealed class PictureDecoding(VisionEncoder encoder, int count)
{
    private readonly FairTurns _turns = new(count);

    /// <summary>Decodes all pictures of a request.</summary>
    /// <exception cref="ServerException">A picture cannot be decoded; the message names the first one. Or there is no
    /// memory for the pixels.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task DecodeAsync(PendingRequest request, CancellationToken cancellationToken)
    {
        int firstBad = int.MaxValue;
        Exception?[] errors = new Exception?[request.GroupCount];
        await Task.WhenAll(Enumerable.Range(0, request.GroupCount).Select(DecodeAsync)).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        if (firstBad < int.MaxValue)
            throw errors[firstBad]!;

        async Task DecodeAsync(int index)
        {
            ReadOnlyMemory<byte> bytes = request.Request.Pictures[index];
            try
            {
                await _turns.EnterAsync(request.Request.Client, bytes.Length, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            try
            {
                // A picture before a bad one is still decoded: it may be the first bad one.
                if (index < Volatile.Read(ref firstBad))
                    await Task.Run(() => Decode(request, index, bytes, cancellationToken), CancellationToken.None)
                        .ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                errors[index] = exception is InvalidImageException
                    ? new ServerException(ErrorKind.InvalidRequest, exception.Message, exception) : exception;
                for (int seen = firstBad; index < seen;)
                    seen = Interlocked.CompareExchange(ref firstBad, index, seen) is var found && found == seen
                        ? index : found;
            }
            finally
            {
                _turns.Leave();
            }
        }
    }

    private void Decode(PendingRequest request, int index, ReadOnlyMemory<byte> bytes,
        CancellationToken cancellationToken)
    {
        RgbImage image = encoder.Prepare(ImageInput.FromBytes(bytes, $"image {index}"), cancellationToken);
        if (request.Request.Memory is { } memory)
        {
            lock (memory)
                memory.Grow(image.Pixels.Length);
        }

        request.Pictures![index] = image;
    }
}
