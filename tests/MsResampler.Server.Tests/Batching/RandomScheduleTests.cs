using System.Collections.Concurrent;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Tests.Batching;

/// <summary>Many clients that send, cancel and wait too long, on a model that fails now and then.</summary>
internal sealed class RandomScheduleTests : BatchingFixture
{
    private const int ClientCount = 8;
    private const int RequestCount = 60;

    [Test]
    public async Task EveryRequestEndsExactlyOnceAndItsMemoryIsFree([Range(1, 6)] int seed)
    {
        Random settings = new(seed);
        Settings.BatchSize = settings.Next(1, 6);
        Settings.Instances = settings.Next(1, 4);
        Settings.QueueSize = settings.Next(2, 12);
        await StartAsync(hasEncoder: true);
        int callCount = 0;
        Fake.Before = call =>
        {
            // Hash of the number, so that the schedule of threads decides which requests are hit.
            int dice = (int)(Interlocked.Increment(ref callCount) * 2_654_435_761L % 100);
            if (dice < 5)
                throw new InvalidOperationException("an error");
            if (dice < 10)
                throw new InsufficientMemoryException();
            if (dice < 30)
                Time.Advance(TimeSpan.FromMilliseconds(10));
            call.Cancellation.ThrowIfCancellationRequested();
        };
        ConcurrentDictionary<string, int> outcomes = new();
        await Task.WhenAll(Enumerable.Range(0, ClientCount).Select(client => Task.Run(() => RunAsync(client))));
        TestContext.Out.WriteLine(string.Join(", ", outcomes.OrderBy(outcome => outcome.Key)));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(outcomes.Values.Sum(), Is.EqualTo(ClientCount * RequestCount));
            Assert.That(outcomes.GetValueOrDefault("answer"), Is.GreaterThan(ClientCount));
            Assert.That(Model.QueueLength, Is.Zero);
            Assert.That(Model.ReadyCount, Is.Zero);
        }

        async Task RunAsync(int client)
        {
            Random random = new((seed * 1_000) + client);
            List<Task> tasks = [];
            for (int index = 0; index < RequestCount; index++)
            {
                tasks.Add(SendOnceAsync(random.Next()));
                if (random.Next(3) == 0)
                {
                    await Task.WhenAll(tasks);
                    tasks.Clear();
                }
            }

            await Task.WhenAll(tasks);
        }

        async Task SendOnceAsync(int requestSeed)
        {
            Random random = new(requestSeed);
            using CancellationTokenSource gone = new();
            Task request = SendAsync(random, requestSeed, gone.Token);
            if (random.Next(5) == 0)
            {
                if (random.Next(2) == 0)
                    await Task.Yield();
                await gone.CancelAsync();
            }

            string outcome = "answer";
            try
            {
                await request;
            }
            catch (ServerException exception)
            {
                outcome = $"{exception.Kind}";
            }
            catch (OperationCanceledException)
            {
                outcome = "cancelled";
            }

            outcomes.AddOrUpdate(outcome, 1, (_, count) => count + 1);
        }
    }

    private Task SendAsync(Random random, int seed, CancellationToken cancellationToken)
    {
        string client = $"{random.Next(3)}";
        if (random.Next(6) == 0)
        {
            return SendPicturesAsync(new InferenceRequest
            {
                Client = client,
                Pictures = [TestImages.Png(16, 20, seed), random.Next(4) == 0 ? new byte[9] : TestImages.Png(9, 9, 1)],
            });
        }

        InferenceRequest request = random.Next(2) == 0
            ? Images(seed, client, [.. Enumerable.Range(0, random.Next(1, 7)).Select(_ => new PatchGrid(2, 3))])
            : Groups(seed, client, [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.Next(1, 3))],
                wantsGate: random.Next(4) == 0);
        return SendAsync(new InferenceRequest
        {
            Client = request.Client,
            Grids = request.Grids,
            FrameCounts = request.FrameCounts,
            TemporalIds = request.TemporalIds,
            Features = request.Features,
            WantsGate = request.WantsGate,
            Timeout = random.Next(4) == 0 ? TimeSpan.FromMilliseconds(random.Next(50)) : null,
        }, cancellationToken);
    }
}
