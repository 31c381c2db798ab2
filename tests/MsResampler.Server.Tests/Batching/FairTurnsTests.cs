using MsResampler.Server.Batching;

namespace MsResampler.Server.Tests.Batching;

/// <summary>Tests of <see cref="FairTurns"/>.</summary>
internal sealed class FairTurnsTests
{
    [Test]
    public async Task NoMoreThanTheNumberOfTurnsAreTaken()
    {
        FairTurns turns = new(2);
        Task[] tasks = [.. Enumerable.Range(0, 4).Select(_ => turns.EnterAsync("a", 1, CancellationToken.None))];
        Assert.That(tasks.Count(task => task.IsCompleted), Is.EqualTo(2));
        turns.Leave();
        await tasks[2].WaitAsync(BatchingFixture.Patience);
        Assert.That(tasks[3].IsCompleted, Is.False);
        turns.Leave();
        await tasks[3].WaitAsync(BatchingFixture.Patience);
        turns.Leave();
        turns.Leave();
        Assert.That(turns.EnterAsync("a", 1, CancellationToken.None).IsCompleted);
    }

    [Test]
    public async Task AClientThatWaitsWithManyDoesNotDelayAnother()
    {
        FairTurns turns = new(1);
        await turns.EnterAsync("greedy", 1, CancellationToken.None);
        Task[] greedy = [.. Enumerable.Range(0, 10).Select(_ => turns.EnterAsync("greedy", 5, CancellationToken.None))];
        turns.Leave();
        await greedy[0].WaitAsync(BatchingFixture.Patience);
        Task modest = turns.EnterAsync("modest", 5, CancellationToken.None);
        turns.Leave();
        turns.Leave();
        await modest.WaitAsync(BatchingFixture.Patience);
        Assert.That(greedy.Count(task => task.IsCompleted), Is.LessThanOrEqualTo(2));
    }

    [Test]
    public async Task AWaitThatIsCancelledTakesNoTurn()
    {
        FairTurns turns = new(1);
        await turns.EnterAsync("a", 1, CancellationToken.None);
        using CancellationTokenSource gone = new();
        Task cancelled = turns.EnterAsync("a", 1, gone.Token);
        Task next = turns.EnterAsync("a", 1, CancellationToken.None);
        await gone.CancelAsync();
        Assert.That(async () => await cancelled.WaitAsync(BatchingFixture.Patience),
            Throws.InstanceOf<OperationCanceledException>());
        turns.Leave();
        await next.WaitAsync(BatchingFixture.Patience);
        turns.Leave();
        Assert.That(turns.EnterAsync("a", 1, CancellationToken.None).IsCompleted);
    }
}
