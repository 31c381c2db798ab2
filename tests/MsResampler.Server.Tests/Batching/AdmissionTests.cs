using MsResampler.Server.Protocol;

namespace MsResampler.Server.Tests.Batching;

/// <summary>Who gets a place in the queue.</summary>
internal sealed class AdmissionTests : BatchingFixture
{
    private static readonly PatchGrid s_grid = new(2, 2);

    [Test]
    public async Task AClientMayHaveThreeTimesTheFreePlaces()
    {
        Settings.QueueSize = 8;
        Task first = await StartHeldAsync();
        // 6 <= 3 * (8 - 5), but 7 > 3 * (8 - 6).
        List<Task> tasks = [first, .. Enumerable.Range(1, 6).Select(index => SendAsync(Images(index, "a", s_grid)))];
        ServerException share = await FailureOf(SendAsync(Images(7, "a", s_grid)));
        tasks.Add(SendAsync(Images(8, "b", s_grid)));
        tasks.Add(SendAsync(Images(9, "b", s_grid)));
        ServerException full = await FailureOf(SendAsync(Images(10, "c", s_grid)));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(share.Kind, Is.EqualTo(ErrorKind.Busy));
            Assert.That(share.Message, Does.Contain("6 requests of this client").And.Contain("2 places"));
            Assert.That(full.Kind, Is.EqualTo(ErrorKind.Busy));
            Assert.That(full.Message, Does.Contain("full").And.Contain("8 requests"));
            Assert.That(full.RetryAfter, Is.EqualTo(TimeSpan.FromSeconds(1)), "nothing was measured yet");
            Assert.That(Model.QueueLength, Is.EqualTo(8));
        }

        Valve.Open();
        await Task.WhenAll(tasks);
        Assert.That(Model.QueueLength, Is.Zero);
    }

    [Test]
    public async Task AQueueOfOnePlaceTakesOneRequest()
    {
        Settings.QueueSize = 1;
        Task first = await StartHeldAsync();
        Task second = SendAsync(Images(1, "a", s_grid));
        Assert.That((await FailureOf(SendAsync(Images(2, "b", s_grid)))).Kind, Is.EqualTo(ErrorKind.Busy));
        Valve.Open();
        await Task.WhenAll(first, second);
        await SendAsync(Images(3, "b", s_grid));
    }

    [Test]
    public async Task ARequestThatEndsFreesItsPlaceAtOnce()
    {
        Settings.QueueSize = 1;
        Task first = await StartHeldAsync();
        using CancellationTokenSource gone = new();
        Task cancelled = SendAsync(Images(1, "a", s_grid), gone.Token);
        await gone.CancelAsync();
        Assert.That(Model.QueueLength, Is.Zero);
        Task second = SendAsync(Images(2, "b", s_grid));
        Assert.That(async () => await cancelled, Throws.InstanceOf<OperationCanceledException>());
        Valve.Open();
        await Task.WhenAll(first, second);
    }

    [Test]
    public async Task ARequestKeepsItsPlaceUntilItsLastImageIsInABatch()
    {
        (Settings.QueueSize, Settings.BatchSize) = (1, 2);
        Task first = await StartHeldAsync();
        Task large = SendAsync(Images(1, "a", s_grid, s_grid, s_grid));
        Valve.Release();
        await Valve.EnteredAsync();
        Assert.That(Model.QueueLength, Is.EqualTo(1));
        Valve.Release();
        await Valve.EnteredAsync();
        Assert.That(Model.QueueLength, Is.Zero);
        Valve.Open();
        await Task.WhenAll(first, large);
    }

    [Test]
    public async Task RequestsThatHaveFailedDoNotCountInRetryAfter()
    {
        Settings.QueueSize = 3;
        await StartAsync();
        Fake.Before = call => Time.Advance(TimeSpan.FromSeconds(call.PatchCounts.Sum()));
        await SendAsync(Images(0, "a", s_grid));
        Task first = await HoldAsync(Images(1, "a", s_grid));
        using CancellationTokenSource gone = new();
        Task large = SendAsync(Images(2, "a", new PatchGrid(4, 5)), gone.Token);
        await gone.CancelAsync();
        Assert.That(async () => await large, Throws.InstanceOf<OperationCanceledException>());
        Task[] waiting = [.. Enumerable.Range(3, 3).Select(index => SendAsync(Images(index, $"{index}",
            new PatchGrid(1, 1))))];
        ServerException full = await FailureOf(SendAsync(Images(6, "b", s_grid)));
        Assert.That(full.RetryAfter, Is.EqualTo(TimeSpan.FromSeconds(3)), "3 patches wait, for a second each");
        Valve.Open();
        await Task.WhenAll([first, .. waiting]);
    }

    [Test]
    public async Task RetryAfterFollowsFromTheMeasuredTime()
    {
        Settings.QueueSize = 4;
        await StartAsync();
        // Half a second per patch.
        Fake.Before = call => Time.Advance(TimeSpan.FromSeconds(0.5 * call.PatchCounts.Sum()));
        await SendAsync(Images(1, "a", s_grid));
        Task first = await HoldAsync(Images(0, "first", s_grid));
        Task[] waiting =
        [
            first, .. Enumerable.Range(2, 4).Select(index => SendAsync(Images(index, $"{index}", s_grid))),
        ];
        ServerException full = await FailureOf(SendAsync(Images(9, "b", s_grid)));
        Assert.That(full.RetryAfter, Is.EqualTo(TimeSpan.FromSeconds(8)), "16 patches wait");
        Valve.Open();
        await Task.WhenAll(waiting);
    }
}
