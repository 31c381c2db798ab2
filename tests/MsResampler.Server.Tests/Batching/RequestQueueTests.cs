using System.Buffers;
using MsResampler.Server.Batching;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Tests.Batching;

/// <summary>When a request of a <see cref="RequestQueue"/> ends. The tests are the thread that computes.</summary>
internal sealed class RequestQueueTests
{
    private const int FeatureWidth = 2;
    private static readonly ServerException s_failure = new(ErrorKind.Internal, "a failure");

    private RequestQueue _queue = null!;

    [SetUp]
    public void CreateQueue() => _queue = new RequestQueue(capacity: 10, batchSize: 4, maxBatchPatches: 20,
        TimeSpan.Zero, new ServiceTime(1), new ManualTime());

    [TearDown]
    public void DisposeQueue() => _queue.Dispose();

    [Test]
    public void ARequestThatFailsEndsWhenItsBatchNoLongerReadsItsFeatures()
    {
        PendingRequest request = Enqueue("a", 1);
        Batch batch = _queue.Take()!;
        _queue.Fail(request, s_failure);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(request.Outcome.IsCompleted, Is.False);
            Assert.That(batch.Cancellation.IsCancellationRequested);
        }

        _queue.End(batch);
        Assert.That(request.Outcome.Exception?.InnerException, Is.SameAs(s_failure));
    }

    [Test]
    public void ARequestThatFailsAfterItsFeaturesWereCopiedEndsAtOnce()
    {
        (PendingRequest first, PendingRequest second) = (Enqueue("a", 1), Enqueue("b", 1));
        Batch batch = _queue.Take()!;
        _queue.Fail(first, s_failure);
        Assert.That(first.Outcome.IsCompleted, Is.False);
        _queue.Unpin(batch);
        Assert.That(first.Outcome.IsFaulted);
        _queue.Fail(second, s_failure);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(second.Outcome.IsFaulted);
            Assert.That(batch.Slices.Select(_queue.TryPin), Has.None.True);
        }

        _queue.End(batch);
    }

    [Test]
    public void ARequestEndsWithItsLastBatch()
    {
        PendingRequest request = Enqueue("a", 1, 1, 1, 1, 1);
        Batch first = _queue.Take()!;
        Batch second = _queue.Take()!;
        request.Answer = new Answer(ArrayPool<float>.Shared, 5, 0);
        _queue.Complete(second.Slices[0]);
        _queue.End(second);
        _queue.Complete(first.Slices[0]);
        Assert.That(request.Outcome.IsCompleted, Is.False);
        _queue.End(first);
        using InferenceResult result = request.Outcome.Result;
        Assert.That(result.GroupCount, Is.EqualTo(5));
    }

    [Test]
    public void ARequestThatFailsInOneOfItsBatchesCancelsTheOther()
    {
        PendingRequest request = Enqueue("a", 1, 1, 1, 1, 1);
        Batch first = _queue.Take()!;
        Batch second = _queue.Take()!;
        _queue.Fail(request, s_failure);
        _queue.End(first);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(second.Cancellation.IsCancellationRequested);
            Assert.That(request.Outcome.IsCompleted, Is.False);
        }

        _queue.End(second);
        Assert.That(request.Outcome.IsFaulted);
    }

    [Test]
    public void ARequestThatFailsStopsTheDecodingOfItsPicturesAndEndsAfterIt()
    {
        using CancellationTokenSource decoding = new();
        PendingRequest request = new(new InferenceRequest { Client = "a", Pictures = [new byte[1]] }, FeatureWidth,
            arrival: 0)
        {
            Decoding = decoding,
        };
        _queue.Admit(request);
        Assert.That(_queue.TryPin(request));
        _queue.Fail(request, s_failure);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(decoding.IsCancellationRequested);
            Assert.That(request.Outcome.IsCompleted, Is.False);
        }

        _queue.Unpin(request);
        Assert.That(request.Outcome.IsFaulted);
    }

    [Test]
    public void TheFirstFailureCountsAndALaterOneHasNoEffect()
    {
        PendingRequest request = Enqueue("a", 1);
        _queue.Fail(request, s_failure);
        _queue.Fail(request, new ServerException(ErrorKind.Busy, "another"));
        Assert.That(request.Outcome.Exception?.InnerException, Is.SameAs(s_failure));
        _queue.Enqueue(request);
        Assert.That(_queue.ReadyCount, Is.Zero);
    }

    [Test]
    public void ABatchHasNoMorePatchesThanTheLimitUnlessOneGroupAloneDoes()
    {
        Enqueue("a", 10, 10, 1, 30, 1);
        Assert.That(Enumerable.Range(0, 4).Select(_ => _queue.Take()!.GroupCount), Is.EqualTo(new[] { 2, 1, 1, 1 }));
    }

    [Test]
    public void ARequestIsOneSliceOfABatchAlthoughItTakesTurnsWithOthers()
    {
        (PendingRequest first, PendingRequest second) = (Enqueue("a", 1, 1, 1), Enqueue("b", 1, 1, 1));
        Batch batch = _queue.Take()!;
        Assert.That(batch.Slices.Select(slice => (slice.Request, slice.FirstGroup, slice.GroupCount)),
            Is.EqualTo(new[] { (first, 0, 2), (second, 0, 2) }));
        batch = _queue.Take()!;
        Assert.That(batch.Slices.Select(slice => (slice.Request, slice.FirstGroup, slice.GroupCount)),
            Is.EqualTo(new[] { (first, 2, 1), (second, 2, 1) }));
    }

    /// <summary>Adds a request for images of one row each.</summary>
    private PendingRequest Enqueue(string client, params int[] patchCounts)
    {
        PendingRequest request = new(new InferenceRequest
        {
            Client = client,
            Grids = [.. patchCounts.Select(count => new PatchGrid(1, count))],
            Features = new float[patchCounts.Sum() * FeatureWidth],
        }, FeatureWidth, arrival: 0);
        _queue.Admit(request);
        _queue.Enqueue(request);
        return request;
    }
}
