using System.Buffers;
using Microsoft.ML.OnnxRuntime;
using MsResampler.Server.Metrics;
using MsResampler.Server.Protocol;
using MsResampler.Vision;

namespace MsResampler.Server.Batching;

/// <summary>Computes batches. Groups of one request are computed in place: from its features to its answer. Those of
/// several requests are copied together and apart. The engine gives a group the same bits in every batch.</summary>
/// <param name="resampler">The resampler.</param>
/// <param name="encoder">The encoder, or null.</param>
/// <param name="queue">The queue of the requests.</param>
/// <param name="failures">Turns exceptions into answers.</param>
/// <param name="pool">The pool of features, tokens and gate weights.</param>
/// <param name="time">The clock.</param>
internal sealed class BatchComputation(Resampler resampler, VisionEncoder? encoder, RequestQueue queue,
    BatchFailures failures, ArrayPool<float> pool, TimeProvider time)
{
    private readonly int _tokenLength = resampler.TokenCount * resampler.TokenWidth;
    private readonly int _gateLength = resampler.TokenCount * resampler.Config.Scopes.Count
        * resampler.Config.GateGroupCount;

    /// <summary>Computes a batch, and counts the groups of each request that has its tokens as done. A request whose
    /// groups cannot be computed fails alone.</summary>
    /// <returns>Whether its times are measured: nothing is computed of a batch whose only request has
    /// failed.</returns>
    /// <exception cref="OperationCanceledException">The batch was cancelled.</exception>
    /// <exception cref="Exception">The whole batch has failed.</exception>
    public bool Run(Batch batch)
    {
        long start = time.GetTimestamp();
        List<BatchPart> parts = [];
        try
        {
            foreach (BatchSlice slice in batch.Slices)
                AddParts(slice, parts, batch.Cancellation);
            if (parts.Count == 1)
                return RunInPlace(batch, parts[0], start);
            if (parts.Count > 1)
                RunTogether(batch, parts, start);
            return parts.Count > 0;
        }
        finally
        {
            parts.ForEach(part => part.Dispose());
        }
    }

    private void AddParts(BatchSlice slice, List<BatchPart> parts, CancellationToken cancellationToken)
    {
        if (!slice.IsWanted)
            return;
        if (slice.Request.Pictures is not { } pictures)
        {
            parts.Add(new BatchPart(slice, null));
            return;
        }

        int first = parts.Count;
        for (int group = slice.FirstGroup; group < slice.FirstGroup + slice.GroupCount; group++)
        {
            // One at a time: ONNX Runtime does not promise the same bits for batches.
            if (slice.IsWanted && Encode(slice.Request, group, pictures, cancellationToken) is { } encoded)
            {
                parts.Add(new BatchPart(slice, encoded));
                continue;
            }

            parts[first..].ForEach(part => part.Dispose());
            parts.RemoveRange(first, parts.Count - first);
            return;
        }
    }

    /// <summary>Encodes a picture. If that fails, the request fails, and the result is null.</summary>
    private EncodedImages? Encode(PendingRequest request, int group, RgbImage?[] pictures,
        CancellationToken cancellationToken)
    {
        EncodedImages encoded;
        try
        {
            encoded = encoder!.Encode([pictures[group]!], cancellationToken);
            pictures[group] = null;
        }
        catch (Exception exception) when (exception is OnnxRuntimeException or InvalidEncoderException)
        {
            queue.Fail(request, failures.OfPicture(exception, group, isOfPicture: encoder!.InputSize is null));
            return null;
        }

        if (SpanMath.AreFinite(encoded.Features(0)))
            return encoded;
        encoded.Dispose();
        queue.Fail(request, new ServerException(ErrorKind.InvalidRequest, $"image {group}: expected a picture that " +
            "the encoder can encode, found one for which it gives values that are not finite"));
        return null;
    }

    private bool RunInPlace(Batch batch, BatchPart part, long start)
    {
        BatchSlice slice = part.Slice;
        Answer answer = AnswerOf(slice.Request);
        Span<float> tokens = answer.Tokens.Span.Slice(slice.FirstGroup * _tokenLength,
            slice.GroupCount * _tokenLength);
        Span<float> gate = answer.Gate.IsEmpty ? []
            : answer.Gate.Span.Slice(slice.FirstGroup * _gateLength, slice.GroupCount * _gateLength);
        long prepared = time.GetTimestamp();
        try
        {
            Compute(part.Features, part.Groups, tokens, gate, batch.Cancellation);
        }
        catch (Exception exception) when (BatchFailures.AreOfRequest(exception))
        {
            queue.Fail(slice.Request, failures.OfRequest(exception, slice));
            return false;
        }

        queue.Complete(slice);
        batch.Times = new RequestTimes
        {
            Input = time.GetElapsedTime(start, prepared),
            Infer = time.GetElapsedTime(prepared),
        };
        return true;
    }

    private void RunTogether(Batch batch, List<BatchPart> parts, long start)
    {
        int length = checked(parts.Sum(part => part.Features.Length));
        using BatchInput input = new(pool, length);
        List<BatchSection> sections = [];
        foreach (BatchPart part in parts)
        {
            if (sections is [.., { } last] && last.Slice == part.Slice)
                sections[^1] = last with { FeatureLength = last.FeatureLength + part.Features.Length };
            else
                sections.Add(new BatchSection(part.Slice, input.GroupCount, input.Length, part.Features.Length));
            input.Add(part.Features, part.Groups);
            part.Dispose();
        }

        queue.Unpin(batch);
        FrameGroups groups = input.Groups;
        bool wantsGate = sections.Exists(section => section.Slice.Request.Request.WantsGate);
        using PooledFloats tokens = new(pool, checked(groups.GroupCount * _tokenLength));
        using PooledFloats? gate = wantsGate ? new(pool, checked(groups.GroupCount * _gateLength)) : null;
        long prepared = time.GetTimestamp();
        try
        {
            Compute(input.Features, groups, tokens.Span, gate is null ? [] : gate.Span, batch.Cancellation);
        }
        catch (Exception exception) when (BatchFailures.AreOfRequest(exception))
        {
            foreach (BatchSection section in sections)
                ComputeAlone(section, input.Features, groups, tokens.Span, gate is null ? [] : gate.Span,
                    batch.Cancellation);
        }

        long computed = time.GetTimestamp();
        foreach (BatchSection section in sections)
            Deliver(section, tokens.Span, gate is null ? [] : gate.Span);
        batch.Times = new RequestTimes
        {
            Input = time.GetElapsedTime(start, prepared),
            Infer = time.GetElapsedTime(prepared, computed),
            Output = time.GetElapsedTime(computed),
        };
    }

    /// <summary>Computes the groups of one request after a batch has failed; if they fail again, so does the
    /// request.</summary>
    private void ComputeAlone(BatchSection section, ReadOnlySpan<float> features, FrameGroups groups,
        Span<float> tokens, Span<float> gate, CancellationToken cancellationToken)
    {
        BatchSlice slice = section.Slice;
        if (!slice.IsWanted)
            return;
        (int first, int count) = (section.FirstGroup, slice.GroupCount);
        try
        {
            Compute(features.Slice(section.FirstFeature, section.FeatureLength), groups.Slice(first, count),
                tokens.Slice(first * _tokenLength, count * _tokenLength),
                slice.Request.Request.WantsGate ? gate.Slice(first * _gateLength, count * _gateLength) : [],
                cancellationToken);
        }
        catch (Exception exception) when (BatchFailures.AreOfRequest(exception))
        {
            queue.Fail(slice.Request, failures.OfRequest(exception, slice));
        }
    }

    private void Deliver(BatchSection section, ReadOnlySpan<float> tokens, ReadOnlySpan<float> gate)
    {
        BatchSlice slice = section.Slice;
        if (!queue.TryPin(slice))
            return;
        Answer answer = AnswerOf(slice.Request);
        Copy(tokens, answer.Tokens, _tokenLength);
        if (slice.Request.Request.WantsGate)
            Copy(gate, answer.Gate, _gateLength);
        queue.Complete(slice);

        void Copy(ReadOnlySpan<float> from, Memory<float> to, int width) => from
            .Slice(section.FirstGroup * width, slice.GroupCount * width)
            .CopyTo(to.Span[(slice.FirstGroup * width)..]);
    }

    /// <summary>The memory of the answer of a pinned request, rented when its first batch needs it.</summary>
    private Answer AnswerOf(PendingRequest request)
    {
        lock (request)
        {
            return request.Answer ??= new Answer(pool, checked(request.GroupCount * _tokenLength),
                request.Request.WantsGate ? checked(request.GroupCount * _gateLength) : 0);
        }
    }

    private void Compute(ReadOnlySpan<float> features, FrameGroups groups, Span<float> tokens, Span<float> gate,
        CancellationToken cancellationToken)
    {
        if (gate.IsEmpty)
            resampler.Resample(features, groups, tokens, cancellationToken);
        else
            resampler.Resample(features, groups, tokens, gate, cancellationToken);
    }
}
