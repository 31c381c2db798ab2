using MsResampler.Server.Limits;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Tests.Batching;

/// <summary>Requests with pictures.</summary>
internal sealed class PictureTests : BatchingFixture
{
    /// <summary>Bytes of a prepared picture: 16 × 16 pixels of three channels.</summary>
    private const int PreparedBytes = 16 * 16 * 3;

    private static readonly byte[] s_damaged = [.. TestImages.Png(20, 20, 1).AsSpan(0, 100)];

    [Test]
    public async Task ManyPicturesKeepTheirOrder()
    {
        (Settings.BatchSize, Settings.Instances) = (3, 2);
        await StartAsync(hasEncoder: true);
        await SendPicturesAsync(Pictures([.. Enumerable.Range(0, 20).Select(seed => TestImages.Png(20, 24, seed))]));
    }

    [Test]
    public async Task TheFirstDamagedPictureIsNamed()
    {
        Settings.QueueSize = 1;
        await StartAsync(hasEncoder: true);
        byte[] good = TestImages.Png(20, 20, 1);
        for (int repetition = 0; repetition < 20; repetition++)
        {
            ServerException failure = await FailureOf(SendPicturesAsync(Pictures([good, good, s_damaged, good,
                s_damaged, [], [1, 2, 3]])));
            using (Assert.EnterMultipleScope())
            {
                Assert.That(failure.Kind, Is.EqualTo(ErrorKind.InvalidRequest));
                Assert.That(failure.Message, Does.StartWith("image 2: "));
                Assert.That(Model.QueueLength, Is.Zero);
            }
        }

        await SendPicturesAsync(Pictures([good]));
    }

    [Test]
    public async Task DecodedPicturesCountAsMemoryOfTheRequest()
    {
        await StartAsync(hasEncoder: true);
        MemoryBudget budget = new(3 * PreparedBytes);
        byte[][] pictures = [.. Enumerable.Range(0, 3).Select(seed => TestImages.Png(20, 24, seed))];
        using (InferenceRequest request = Pictures(pictures, budget.Open()))
        {
            await SendPicturesAsync(request);
            Assert.That(budget.Used, Is.EqualTo(3 * PreparedBytes));
        }

        using (InferenceRequest request = Pictures([.. pictures, pictures[0]], budget.Open()))
            Assert.That((await FailureOf(SendPicturesAsync(request))).Kind, Is.EqualTo(ErrorKind.TooLarge));
        Assert.That(budget.Used, Is.Zero);
    }

    [Test]
    public async Task ACancelledRequestEndsWhenItsPicturesAreNoLongerRead()
    {
        Task first = await StartHeldAsync(hasEncoder: true);
        for (int repetition = 0; repetition < 20; repetition++)
        {
            using CancellationTokenSource gone = new();
            Task<InferenceResult> request = Model.InferAsync(Pictures([.. Enumerable.Range(0, 30)
                .Select(seed => TestImages.Png(40, 40, seed))]), gone.Token);
            if (repetition % 2 == 1)
                await UntilAsync(() => Model.ReadyCount == 1);
            await gone.CancelAsync();
            Assert.That(async () => await request.WaitAsync(Patience), Throws.InstanceOf<OperationCanceledException>());
            Assert.That(Model.QueueLength, Is.Zero);
        }

        Valve.Open();
        await first;
        await SendPicturesAsync(Pictures([TestImages.Png(20, 20, 1)]));
    }

    [Test]
    public async Task AModelStopsAfterPicturesThatAreBeingDecoded()
    {
        await StartAsync(hasEncoder: true);
        Task request = SendPicturesAsync(Pictures([.. Enumerable.Range(0, 10)
            .Select(seed => TestImages.Png(40, 40, seed))]));
        Assert.That(await Model.StopAsync(CancellationToken.None).WaitAsync(Patience), Is.Zero);
        await request;
    }

    private static InferenceRequest Pictures(byte[][] pictures, MemoryLease? memory = null) => new()
    {
        Client = "a",
        Pictures = [.. pictures.Select(picture => (ReadOnlyMemory<byte>)picture)],
        Memory = memory,
    };
}
