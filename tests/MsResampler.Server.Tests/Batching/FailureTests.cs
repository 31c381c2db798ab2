using MsResampler.Kernels;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Tests.Batching;

/// <summary>Computations that fail.</summary>
internal sealed class FailureTests : BatchingFixture
{
    private static readonly PatchGrid s_grid = new(2, 2);

    [Test]
    public async Task AnOverflowFailsOnlyTheRequestThatCausesIt()
    {
        Task first = await StartHeldAsync();
        Task good = SendAsync(Images(1, "a", s_grid, s_grid));
        InferenceRequest bad = Images(2, "b", s_grid, s_grid, s_grid);
        Task failing = SendAsync(new InferenceRequest
        {
            Client = "b",
            Grids = bad.Grids,
            Features = Overflowing(bad, image: 1),
        });
        Task better = SendAsync(Groups(3, "c", [2, 1], wantsGate: true));
        Valve.Open();
        await Task.WhenAll(first, good, better);
        ServerException failure = await FailureOf(failing);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(failure.Kind, Is.EqualTo(ErrorKind.InvalidRequest));
            Assert.That(failure.Message, Does.StartWith("image 1 (2x2 patches): ").And.Contain("float32"),
                "the index within the request, not within the batch");
            Assert.That(Fake.Calls.Select(call => call.PatchCounts.Length), Is.EqualTo(new[] { 1, 7, 2, 3, 2 }));
        }
    }

    [Test]
    public async Task AnOverflowInALaterBatchOfARequestIsNamedByItsIndexInTheRequest()
    {
        Settings.BatchSize = 2;
        await StartAsync();
        InferenceRequest bad = Images(2, "b", s_grid, s_grid, s_grid, s_grid, s_grid, s_grid);
        ServerException failure = await FailureOf(SendAsync(new InferenceRequest
        {
            Client = "b",
            Grids = bad.Grids,
            FrameCounts = [1, 1, 1, 3],
            TemporalIds = [0, 0, 0, 0, 0, 0],
            Features = Overflowing(bad, image: 4),
        }));
        Assert.That(failure.Message, Does.StartWith("group 3 (3 frames, 12 patches): "));
    }

    [Test]
    public async Task OneRequestThatDoesNotFitIntoMemoryFailsAlone()
    {
        Task first = await StartHeldAsync();
        Task[] good = [SendAsync(Images(1, "a", s_grid)), SendAsync(Images(2, "b", s_grid))];
        Task large = SendAsync(Images(3, "c", new PatchGrid(5, 5)));
        Fake.Before = call =>
        {
            if (call.PatchCounts.Contains(25))
                throw new InsufficientMemoryException();
        };
        Valve.Release();
        await Task.WhenAll([first, .. good]);
        ServerException failure = await FailureOf(large);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(failure.Kind, Is.EqualTo(ErrorKind.Busy));
            Assert.That(failure.RetryAfter, Is.Not.Null);
        }
    }

    [Test]
    public async Task PicturesAreComputedAfterTheirBatchHasFailed()
    {
        Task first = await StartHeldAsync(hasEncoder: true);
        Task pictures = SendPicturesAsync(Pictures("a", 1, 2, 3));
        Task large = SendAsync(Images(3, "b", new PatchGrid(11, 13)));
        await UntilAsync(() => Model.ReadyCount == 2);
        Fake.Before = call =>
        {
            if (call.PatchCounts.Contains(11 * 13))
                throw new InsufficientMemoryException();
        };
        Valve.Release();
        await Task.WhenAll(first, pictures);
        Assert.That((await FailureOf(large)).Kind, Is.EqualTo(ErrorKind.Busy));
        Assert.That(Fake.Calls.Select(call => call.PatchCounts.Length).Order(), Is.EqualTo(new[] { 1, 1, 3, 4 }));
    }

    [Test]
    public async Task AnErrorThatNobodyExpectsIsNotShownToClients()
    {
        await StartAsync();
        Fake.Before = _ => throw new InvalidOperationException("secret " + ModelPath);
        ServerException failure = await FailureOf(SendAsync(Images(1, "a", s_grid)));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(failure.Kind, Is.EqualTo(ErrorKind.Internal));
            Assert.That(failure.Message, Is.EqualTo("the server failed"));
            Assert.That(Model.State, Is.EqualTo(ModelState.Ready));
        }

        Fake.Before = _ => { };
        await SendAsync(Images(2, "a", s_grid));
    }

    [Test]
    public async Task AGridThatTheModelCannotBeUsedWithIsAnErrorOfTheRequestWithoutPaths()
    {
        await StartAsync();
        Fake.Before = _ => throw new InvalidModelException(ModelPath, ["expected projected queries"]);
        ServerException failure = await FailureOf(SendAsync(Images(1, "a", s_grid)));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(failure.Kind, Is.EqualTo(ErrorKind.InvalidRequest));
            Assert.That(failure.Message, Does.Contain("patch grid").And.Not.Contain(ModelPath));
        }
    }

    [Test]
    public async Task ALostDeviceEndsAllRequestsAndRefusesLaterOnes()
    {
        (Settings.Instances, Settings.BatchSize) = (2, 1);
        Task first = await StartHeldAsync();
        Task second = SendAsync(Images(1, "a", s_grid));
        await Valve.EnteredAsync();
        Task waiting = SendAsync(Images(2, "b", s_grid));
        Fake.Before = _ => throw new DeviceException("secret") { IsDeviceLost = true };
        // The second computation has begun and is cancelled, because its request ends, too.
        Valve.Release();
        await Task.WhenAny(first, second);
        ServerException[] failures =
        [
            await FailureOf(waiting), await FailureOf(SendAsync(Images(3, "c", s_grid))),
        ];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Model.State, Is.EqualTo(ModelState.DeviceLost));
            Assert.That(failures.Select(failure => failure.Kind), Is.All.EqualTo(ErrorKind.Unavailable));
            Assert.That(failures[0].Message, Does.Contain("'small'").And.Not.Contain("secret"));
            Assert.That(Model.QueueLength, Is.Zero);
        }

        await Task.WhenAll(first, second).ContinueWith(_ => { }, TaskScheduler.Default);
    }

    [Test]
    public async Task ADeviceThatIsFullIsBusyAndStaysUsable()
    {
        await StartAsync();
        Fake.Before = _ => throw new DeviceException("out of memory");
        ServerException failure = await FailureOf(SendAsync(Images(1, "a", s_grid)));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(failure.Kind, Is.EqualTo(ErrorKind.Busy));
            Assert.That(failure.RetryAfter, Is.Not.Null);
        }

        Fake.Before = _ => { };
        await SendAsync(Images(2, "a", s_grid));
    }

    [Test]
    public async Task AnAnswerThatNoArrayCanHoldIsTooLarge()
    {
        await StartAsync();
        int count = (Array.MaxLength / Alone.TokenLength(1)) + 1;
        using InferenceRequest request = new() { Client = "a", Grids = new PatchGrid[count] };
        Assert.That((await FailureOf(Model.InferAsync(request, CancellationToken.None))).Kind,
            Is.EqualTo(ErrorKind.TooLarge));
    }

    private static float[] Overflowing(InferenceRequest request, int image)
    {
        float[] features = request.Features.ToArray();
        int length = features.Length / request.Grids.Length;
        // Their squares leave the range, in the first norm.
        features.AsSpan(image * length, length).Fill(3e38f);
        features[image * length] = -3e38f;
        return features;
    }
}
