namespace MsResampler.Server.Tests.Batching;

/// <summary>Which requests are computed together, and when.</summary>
internal sealed class BatchFormationTests : BatchingFixture
{
    private static readonly PatchGrid s_grid = new(2, 2);

    [Test]
    public async Task AllThreadsComputeTheBatchesOfOneRequest()
    {
        (Settings.Instances, Settings.BatchSize) = (2, 1);
        await StartAsync();
        Task request = await HoldAsync(Images(1, "a", new PatchGrid(1, 2), new PatchGrid(2, 1)));
        await Valve.EnteredAsync();
        Valve.Open();
        await request;
    }

    [Test]
    public async Task RequestsThatArriveWhileTheModelIsBusyAreComputedTogether()
    {
        Settings.BatchSize = 4;
        Task first = await StartHeldAsync();
        Task[] others = [.. Enumerable.Range(1, 5).Select(index => SendAsync(Images(index, $"{index}", s_grid)))];
        Valve.Open();
        await Task.WhenAll([first, .. others]);
        Assert.That(Fake.Calls.Select(call => call.PatchCounts.Length), Is.EqualTo(new[] { 1, 4, 1 }));
    }

    [Test]
    public async Task AnIdleModelStartsAtOnceWithoutADelay()
    {
        await StartAsync();
        await SendAsync(Images(1, "a", s_grid));
        Assert.That(Time.TimerCount, Is.Zero, "nothing waits for the clock, which stands still");
    }

    [Test]
    public async Task AnIdleModelWaitsForTheDelayAndNoLonger()
    {
        Settings.BatchDelay = 10;
        await StartAsync();
        Task request = SendAsync(Images(1, "a", s_grid));
        await UntilAsync(() => Time.TimerCount == 1);
        Time.Advance(TimeSpan.FromMilliseconds(9));
        Task second = SendAsync(Images(2, "b", s_grid));
        await UntilAsync(() => Time.TimerCount == 1);
        Assert.That(Fake.Calls, Is.Empty);
        Time.Advance(TimeSpan.FromMilliseconds(1));
        await Task.WhenAll(request, second);
        Assert.That(Fake.Calls.Single().PatchCounts, Has.Length.EqualTo(2), "the delay of the first one counts");
    }

    [Test]
    public async Task AFullBatchDoesNotWaitForTheDelay()
    {
        (Settings.BatchDelay, Settings.BatchSize) = (10, 3);
        await StartAsync();
        await Task.WhenAll(SendAsync(Images(1, "a", s_grid)), SendAsync(Images(2, "b", s_grid, s_grid)));
        Assert.That(Fake.Calls.Single().PatchCounts, Has.Length.EqualTo(3));
    }

    [Test]
    public async Task RequestsThatWaitedWhileTheModelWasBusyDoNotWaitForTheDelayAgain()
    {
        (Settings.BatchDelay, Settings.BatchSize) = (10, 2);
        await StartAsync();
        Task first = await HoldAsync(Images(0, "first", s_grid, s_grid));
        Task second = SendAsync(Images(1, "a", s_grid));
        Time.Advance(TimeSpan.FromMilliseconds(10));
        Valve.Open();
        await Task.WhenAll(first, second);
    }

    [Test]
    public async Task ALongRequestLetsOthersIntoItsBatches()
    {
        Settings.BatchSize = 2;
        Task first = await StartHeldAsync();
        Task large = SendAsync(Images(1, "large", [.. Enumerable.Repeat(s_grid, 8)]));
        Valve.Release();
        await Valve.EnteredAsync();
        Task small = SendAsync(Images(2, "small", new PatchGrid(3, 3)));
        Valve.Open();
        await Task.WhenAll(first, large, small);
        Assert.That(Fake.Calls[2].PatchCounts, Does.Contain(9), "the batch after the one that was in progress");
    }

    [Test]
    public async Task AGreedyClientDelaysAnotherByOneBatch()
    {
        Settings.BatchSize = 1;
        Task first = await StartHeldAsync();
        List<Task> tasks = [first];
        for (int index = 1; index <= 50; index++)
            tasks.Add(SendAsync(Images(index, "greedy", s_grid)));
        Valve.Release();
        await Valve.EnteredAsync();
        tasks.Add(SendAsync(Images(100, "modest", new PatchGrid(3, 3))));
        Valve.Open();
        await Task.WhenAll(tasks);
        Assert.That(Fake.Calls.ToList().FindIndex(call => call.PatchCounts[0] == 9), Is.LessThanOrEqualTo(3));
    }

    [Test]
    public async Task InstancesComputeBatchesAtTheSameTime()
    {
        (Settings.Instances, Settings.BatchSize) = (2, 1);
        Task first = await StartHeldAsync();
        Task second = SendAsync(Images(1, "a", s_grid, s_grid));
        await Valve.EnteredAsync();
        Assert.That(Fake.Calls, Has.Count.EqualTo(2));
        Valve.Open();
        await Task.WhenAll(first, second);
    }
}
