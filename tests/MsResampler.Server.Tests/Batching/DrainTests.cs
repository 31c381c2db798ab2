using MsResampler.Server.Protocol;

namespace MsResampler.Server.Tests.Batching;

/// <summary>How a model stops.</summary>
internal sealed class DrainTests : BatchingFixture
{
    private static readonly PatchGrid s_grid = new(2, 2);

    [Test]
    public async Task RunningAndWaitingRequestsAreAnsweredAndLaterOnesRefused()
    {
        (Settings.BatchSize, Settings.BatchDelay) = (2, 1_000);
        await StartAsync();
        Task first = await HoldAsync(Images(0, "a", s_grid, s_grid));
        Task[] waiting = [.. Enumerable.Range(1, 5).Select(index => SendAsync(Images(index, "b", s_grid)))];
        Task<int> stop = Model.StopAsync(CancellationToken.None);
        ServerException refusal = await FailureOf(SendAsync(Images(9, "c", s_grid)));
        Assert.That(stop.IsCompleted, Is.False);
        Valve.Open();
        await Task.WhenAll([first, .. waiting]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(refusal.Kind, Is.EqualTo(ErrorKind.Unavailable));
            Assert.That(await stop.WaitAsync(Patience), Is.Zero);
        }
    }

    [Test]
    public async Task AfterTheGraceRequestsFail()
    {
        Settings.BatchSize = 1;
        Task first = await StartHeldAsync();
        Task[] requests = [first, .. Enumerable.Range(1, 3).Select(index => SendAsync(Images(index, "b", s_grid)))];
        using CancellationTokenSource grace = new();
        Task<int> stop = Model.StopAsync(grace.Token);
        await grace.CancelAsync();
        Assert.That(await stop.WaitAsync(Patience), Is.EqualTo(requests.Length));
        foreach (Task request in requests)
            Assert.That((await FailureOf(request)).Kind, Is.EqualTo(ErrorKind.Unavailable));
        Assert.That(Fake.Calls, Has.Count.EqualTo(1), "the others were not computed");
    }

    [Test]
    public async Task StoppingAgainAndWithoutRequestsEndsAtOnce()
    {
        await StartAsync();
        for (int repetition = 0; repetition < 3; repetition++)
            Assert.That(await Model.StopAsync(new CancellationToken(canceled: true)).WaitAsync(Patience), Is.Zero);
    }
}
