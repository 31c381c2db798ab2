using MsResampler.Server.Models;

namespace MsResampler.Server.Tests.Batching;

/// <summary>What requests get: the bits that each of their groups has alone.</summary>
internal sealed class AnswerTests : BatchingFixture
{
    private static readonly PatchGrid s_grid = new(3, 4);

    [Test]
    public async Task AnImageHasTheTokensOfTheLibrary()
    {
        await StartAsync();
        await SendAsync(Images(1, "a", s_grid));
    }

    [Test]
    public async Task ARequestOfMoreImagesThanABatchIsComputedInPieces()
    {
        Settings.BatchSize = 3;
        await StartAsync();
        await SendAsync(Images(1, "a", [.. Enumerable.Range(1, 8).Select(side => new PatchGrid(side, 2))]));
        Assert.That(Fake.Calls.Select(call => call.PatchCounts.Length), Is.EqualTo(new[] { 3, 3, 2 }));
    }

    [Test]
    public async Task ARequestAloneIsComputedInPlace()
    {
        Settings.BatchSize = 2;
        await StartAsync();
        await SendAsync(Images(1, "a", s_grid, s_grid, s_grid));
        Assert.That(Pool.RentCount, Is.EqualTo(1), "the answer and nothing else");
    }

    [Test]
    public async Task ImagesGroupsAndGatesOfSeveralRequestsShareABatch()
    {
        Task first = await StartHeldAsync();
        Task[] others =
        [
            SendAsync(Images(1, "a", s_grid)), SendAsync(Groups(2, "b", [2, 3])),
            SendAsync(Groups(3, "c", [1, 2], wantsGate: true)), SendAsync(Images(4, "a", new PatchGrid(2, 2))),
        ];
        Valve.Open();
        await Task.WhenAll([first, .. others]);
        Assert.That(Fake.Calls, Has.Count.EqualTo(2));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Fake.Calls[1].PatchCounts, Has.Length.EqualTo(6));
            Assert.That(Fake.Calls[1].HasGate);
        }
    }

    [Test]
    public async Task GateWeightsAreOnlyComputedIfARequestOfTheBatchWantsThem()
    {
        Task first = await StartHeldAsync();
        Task[] others = [SendAsync(Images(1, "a", s_grid)), SendAsync(Groups(2, "b", [2]))];
        Valve.Open();
        await Task.WhenAll([first, .. others]);
        await SendAsync(Groups(3, "c", [2, 1], wantsGate: true));
        Assert.That(Fake.Calls.Select(call => call.HasGate), Is.EqualTo(new[] { false, false, true }));
    }

    [Test]
    public async Task PicturesAndFeaturesShareABatch()
    {
        Task first = await StartHeldAsync(hasEncoder: true);
        Task pictures = SendPicturesAsync(Pictures("a", 1, 2, 3));
        Task features = SendAsync(Groups(2, "b", [2, 1]));
        Task more = SendPicturesAsync(Pictures("c", 4));
        await UntilAsync(() => Model.ReadyCount == 3);
        Valve.Open();
        await Task.WhenAll(first, pictures, features, more);
        Assert.That(Fake.Calls[1].PatchCounts, Has.Length.EqualTo(6));
    }

    [Test]
    public async Task APictureAloneIsComputedWithoutACopy()
    {
        await StartAsync(hasEncoder: true);
        await SendPicturesAsync(Pictures("a", 1));
        Assert.That(Pool.RentCount, Is.EqualTo(1), "the answer and nothing else");
    }

    [Test]
    public async Task AnswersUnderLoadAreThoseOfCallsAlone()
    {
        const int ClientCount = 6;
        const int RequestCount = 25;
        (Settings.BatchSize, Settings.Instances) = (5, 2);
        await StartAsync(hasEncoder: true);
        await Task.WhenAll(Enumerable.Range(0, ClientCount).Select(client => Task.Run(async () =>
        {
            Random random = new(client);
            for (int index = 0; index < RequestCount; index++)
            {
                int seed = (client * RequestCount) + index;
                Task request = random.Next(8) switch
                {
                    0 => SendPicturesAsync(Pictures($"{client}", seed, seed + 1)),
                    < 4 => SendAsync(Images(seed, $"{client}", [.. Enumerable.Range(0, random.Next(1, 9))
                        .Select(_ => new PatchGrid(random.Next(1, 6), random.Next(1, 6)))])),
                    _ => SendAsync(Groups(seed, $"{client}", [.. Enumerable.Range(0, random.Next(1, 5))
                        .Select(_ => random.Next(1, 4))], wantsGate: random.Next(3) == 0)),
                };
                await request;
            }
        })));
        Assert.That(Fake.Calls, Has.Some.Matches<FakeCall>(call => call!.PatchCounts.Length == Settings.BatchSize));
    }

    [Test]
    public async Task ContinuationsDoNotRunOnTheThreadThatComputes()
    {
        Task first = await StartHeldAsync();
        Task<string?> name = Model.InferAsync(Images(1, "a", s_grid), CancellationToken.None).ContinueWith(task =>
        {
            task.Result.Dispose();
            return Thread.CurrentThread.Name;
        }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        Valve.Open();
        await first;
        Assert.That(await name, Is.Null.Or.Not.Contains("batches"));
    }

    [Test]
    public async Task ARequestWithoutImagesIsInvalid()
    {
        await StartAsync();
        Assert.That((await FailureOf(Model.InferAsync(new InferenceRequest { Client = "a" }, CancellationToken.None)))
            .Kind, Is.EqualTo(Protocol.ErrorKind.InvalidRequest));
    }
}
