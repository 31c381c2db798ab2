namespace MsResampler.Tests.Api;

/// <summary>Warming up on the CPU.</summary>
internal sealed class WarmUpTests : ResamplerFixture
{
    [Test]
    public void Warming_up_prepares_the_grids_and_keeps_the_tokens()
    {
        float[] tokens = new float[TokenCount];
        PatchGrid[] grids = [Grids[2]];
        Measured.AssertBelow(1, "bytes that the first call allocated", () =>
        {
            using Resampler resampler = Load();
            resampler.WarmUp();
            resampler.WarmUp(Grids.AsSpan(0, 3));
            long before = GC.GetAllocatedBytesForCurrentThread();
            resampler.Resample(Features[2], grids, tokens);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        });
        Assert.That(tokens, Is.EqualTo(Alone[2]));
    }

    [Test]
    public void A_batch_that_no_call_can_have_is_rejected()
    {
        using Resampler resampler = Load();
        Assert.That(() => resampler.WarmUp([new PatchGrid(1, 1), default]),
            Throws.ArgumentException.With.Message.Contains("image 1: expected a patch grid"));
        Assert.That(() => resampler.WarmUp([new PatchGrid(100_000, 100_000)]),
            Throws.ArgumentException.With.Message.Contains("1 images: expected at most"));
        Assert.That(() => resampler.WarmUp(Grids, new CancellationToken(canceled: true)),
            Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void A_disposed_model_cannot_be_warmed_up()
    {
        Resampler resampler = Load();
        resampler.Dispose();
        Assert.That(() => resampler.WarmUp(), Throws.TypeOf<ObjectDisposedException>());
    }
}
