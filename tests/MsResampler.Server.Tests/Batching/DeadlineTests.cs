using MsResampler.Server.Models;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Tests.Batching;

/// <summary>Deadlines and clients that go away.</summary>
internal sealed class DeadlineTests : BatchingFixture
{
    private static readonly PatchGrid s_grid = new(2, 2);
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);

    [Test]
    public async Task AWaitingRequestEndsAtItsDeadline()
    {
        Task first = await StartHeldAsync();
        Task late = SendAsync(WithTimeout(s_second));
        Task patient = SendAsync(Images(2, "b", s_grid));
        Time.Advance(s_second / 2);
        Assert.That(Model.QueueLength, Is.EqualTo(2));
        Time.Advance(s_second / 2);
        Assert.That(Model.QueueLength, Is.EqualTo(1));
        Assert.That((await FailureOf(late)).Kind, Is.EqualTo(ErrorKind.DeadlineExceeded));
        Valve.Open();
        await Task.WhenAll(first, patient);
        Assert.That(Fake.Calls[1].PatchCounts, Has.Length.EqualTo(1), "the late request is not computed");
    }

    [Test]
    public async Task TheServersLimitHoldsForRequestsWithoutOneAndForLongerOnes()
    {
        Settings.RequestTimeout = 2;
        Task first = await StartHeldAsync();
        Task[] late = [SendAsync(Images(1, "a", s_grid)), SendAsync(WithTimeout(TimeSpan.MaxValue))];
        Task early = SendAsync(WithTimeout(s_second));
        Time.Advance(s_second);
        Assert.That((await FailureOf(early)).Kind, Is.EqualTo(ErrorKind.DeadlineExceeded));
        Assert.That(Model.QueueLength, Is.EqualTo(2));
        Time.Advance(s_second);
        foreach (Task task in (Task[])[first, .. late])
            Assert.That((await FailureOf(task)).Kind, Is.EqualTo(ErrorKind.DeadlineExceeded));
    }

    [Test]
    public async Task ATimeoutOfAnyLengthIsAccepted([Values(0L, -1L, long.MaxValue)] long ticks)
    {
        await StartAsync();
        Task request = SendAsync(WithTimeout(TimeSpan.FromTicks(ticks)));
        if (ticks > 0)
            await request;
        else
            Assert.That((await FailureOf(request)).Kind, Is.EqualTo(ErrorKind.DeadlineExceeded));
    }

    [Test]
    public async Task TheComputationOfALateRequestIsCancelled()
    {
        await StartAsync();
        Task late = await HoldAsync(WithTimeout(s_second));
        Time.Advance(s_second);
        Assert.That((await FailureOf(late)).Kind, Is.EqualTo(ErrorKind.DeadlineExceeded));
        Assert.That(Fake.Calls[0].Cancellation.IsCancellationRequested);
        Valve.Open();
        await SendAsync(Images(2, "b", s_grid));
    }

    [Test]
    public async Task ABatchGoesOnWithoutARequestThatIsLate()
    {
        Task first = await StartHeldAsync();
        Task late = SendAsync(WithTimeout(s_second));
        Task patient = SendAsync(Images(2, "b", s_grid));
        Valve.Release();
        await first;
        await Valve.EnteredAsync();
        Time.Advance(s_second);
        Assert.That((await FailureOf(late)).Kind, Is.EqualTo(ErrorKind.DeadlineExceeded),
            "at once, because its features were copied");
        Assert.That(Fake.Calls[1].Cancellation.IsCancellationRequested, Is.False);
        Valve.Open();
        await patient;
    }

    [Test]
    public async Task ABatchThatNobodyWaitsForIsCancelled()
    {
        Task first = await StartHeldAsync();
        using CancellationTokenSource gone = new();
        Task[] requests = [.. Enumerable.Range(1, 2)
            .Select(index => SendAsync(Images(index, $"{index}", s_grid), gone.Token))];
        Valve.Release();
        await first;
        await Valve.EnteredAsync();
        await gone.CancelAsync();
        foreach (Task request in requests)
            Assert.That(async () => await request.WaitAsync(Patience), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Fake.Calls[1].Cancellation.IsCancellationRequested);
        Valve.Open();
        await SendAsync(Images(3, "c", s_grid));
    }

    [Test]
    public async Task ARequestThatIsComputedInPlaceEndsAfterItsComputation()
    {
        await StartAsync();
        using ManualResetEventSlim isComputing = new();
        using ManualResetEventSlim mayEnd = new();
        // A computation that does not notice the cancellation for a while.
        Fake.Before = _ =>
        {
            isComputing.Set();
            Assert.That(mayEnd.Wait(Patience));
        };
        using CancellationTokenSource gone = new();
        Task request = SendAsync(Images(1, "a", s_grid), gone.Token);
        Assert.That(isComputing.Wait(Patience));
        await gone.CancelAsync();
        Assert.That(request.IsCompleted, Is.False, "its features are in use");
        mayEnd.Set();
        Assert.That(async () => await request.WaitAsync(Patience), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task ARequestDoesNotEndWhileItsFeaturesAreCopied()
    {
        Task first = await StartHeldAsync();
        using CancellationTokenSource gone = new();
        using TrackedFeatures features = new(Features(1, [s_grid]));
        Task<InferenceResult> request = Model.InferAsync(new InferenceRequest
        {
            Client = "a",
            Grids = [s_grid],
            Features = features.Memory,
        }, gone.Token);
        int readCount = 0;
        bool hasEnded = false;
        features.OnRead = () =>
        {
            readCount++;
            gone.Cancel();
            // The request may not end however long this takes.
            hasEnded |= request.ContinueWith(_ => { }, TaskScheduler.Default).Wait(TimeSpan.FromMilliseconds(100));
        };
        Task other = SendAsync(Images(2, "b", s_grid));
        Valve.Open();
        await Task.WhenAll(first, other);
        Assert.That(async () => await request.WaitAsync(Patience), Throws.InstanceOf<OperationCanceledException>());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(readCount, Is.Positive);
            Assert.That(hasEnded, Is.False);
        }
    }

    [Test]
    public async Task ALargeRequestThatIsCancelledLeavesTheRestOfItsImages()
    {
        Settings.BatchSize = 1;
        await StartAsync();
        using CancellationTokenSource gone = new();
        Fake.Before = _ => gone.Cancel();
        Task request = SendAsync(Images(1, "a", s_grid, s_grid, s_grid), gone.Token);
        Assert.That(async () => await request.WaitAsync(Patience), Throws.InstanceOf<OperationCanceledException>());
        Fake.Before = _ => { };
        await SendAsync(Images(2, "b", s_grid));
        Assert.That(Fake.Calls, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task ACancelledTokenIsNoticedBeforeAnythingElse()
    {
        await StartAsync();
        Assert.That(async () => await SendAsync(Images(1, "a", s_grid), new CancellationToken(canceled: true)),
            Throws.InstanceOf<OperationCanceledException>());
    }

    private static InferenceRequest WithTimeout(TimeSpan timeout) => new()
    {
        Client = "late",
        Grids = [s_grid],
        Features = Features(7, [s_grid]),
        Timeout = timeout,
    };
}
