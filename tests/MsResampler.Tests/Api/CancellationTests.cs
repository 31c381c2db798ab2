using System.Diagnostics;
using MsResampler.Cpu;

namespace MsResampler.Tests.Api;

/// <summary>Cancelling a call.</summary>
internal sealed class CancellationTests : ResamplerFixture
{
    [Test]
    public void A_cancelled_call_writes_no_tokens([Values] bool validate)
    {
        using Resampler resampler = Load(validate: validate);
        float[] tokens = [.. Enumerable.Repeat(Untouched, TokenCount)];

        Assert.That(() => resampler.Resample(Features[0], [Grids[0]], tokens, new CancellationToken(canceled: true)),
            Throws.InstanceOf<OperationCanceledException>());

        Assert.That(tokens, Is.All.EqualTo(Untouched));
        AssertBits(Resample(resampler, 0), 0);
    }

    [Test]
    public void Cancelling_stops_a_long_call_within_an_image([Values(1, 3)] int threadCount)
    {
        using Resampler resampler = Load(threadCount);
        const int ImageCount = 3000;
        float[] features = [.. Enumerable.Repeat(Features[9], ImageCount).SelectMany(values => values)];
        PatchGrid[] grids = [.. Enumerable.Repeat(Grids[9], ImageCount)];
        float[] tokens = new float[ImageCount * TokenCount];
        resampler.Resample(Features[9], [Grids[9]], tokens.AsSpan(0, TokenCount));
        // The whole call takes seconds and an image about a millisecond.
        Measured.AssertBelow(500, "ms", () =>
        {
            tokens.AsSpan().Clear();
            using CancellationTokenSource source = new();
            long cancelled = 0;
            Thread canceller = new(() =>
            {
                Thread.Sleep(50);
                cancelled = Stopwatch.GetTimestamp();
                source.Cancel();
            });
            canceller.Start();

            Assert.That(() => resampler.Resample(features, grids, tokens, source.Token),
                Throws.InstanceOf<OperationCanceledException>());
            long thrown = Stopwatch.GetTimestamp();
            canceller.Join();
            return Stopwatch.GetElapsedTime(cancelled, thrown).TotalMilliseconds;
        });
        Assert.That(tokens.AsSpan(tokens.Length - TokenCount).ToArray(), Is.All.Zero, "the last image was not reached");
        AssertBits(Resample(resampler, 9, 0), 9, 0);
    }

    /// <summary>Processed one lane at a time, the whole image takes more than ten seconds. The call is cancelled
    /// after one second, during its first products. If the token were checked only between groups, the call would
    /// return tokens.</summary>
    [Test]
    public void Cancelling_stops_within_an_image_and_writes_no_tokens([Values(1, 2)] int threadCount)
    {
        ResamplerConfig config = Configs.Of(Configs.Window(3, 3), Configs.Gaussian(2, 2), Configs.None) with
        {
            HiddenSize = 48,
            VisionHiddenSize = 48,
            QueryGrid = new QueryGrid(12, 12),
        };
        using TestModel model = new(config);
        using ModelEngine engine = CpuVariant.All[^1].Create(model.Model,
            new ResamplerOptions { ThreadCount = threadCount, ProcessorCount = threadCount, ValidateFeatures = false });
        PatchGrid grid = new(400, 400);
        float[] features = new float[grid.PatchCount * config.VisionHiddenSize];
        features.AsSpan().Fill(1);
        float[] tokens = [.. Enumerable.Repeat(Untouched, config.QueryGrid.QueryCount * config.OutputSize)];
        // The tables of the grid are created before, so that the cancellation hits the forward pass.
        GridCache grids = ((CpuEngine<MsResampler.Cpu.Simd.SimdScalar, float>)engine).Grids;
        grids.Release(grids.Acquire(grid));
        using CancellationTokenSource source = new(TimeSpan.FromSeconds(1));
        long start = Stopwatch.GetTimestamp();

        Assert.That(() => engine.Resample(features, [grid], tokens, source.Token),
            Throws.InstanceOf<OperationCanceledException>());

        TestContext.Out.WriteLine($"thrown after {Stopwatch.GetElapsedTime(start).TotalSeconds:F2} s");
        Assert.That(tokens, Is.All.EqualTo(Untouched));
    }

    /// <summary>A call for one image that is cancelled at any moment either throws and writes no tokens, or
    /// completes.</summary>
    [Test]
    public void A_cancelled_image_has_all_its_tokens_or_none([Values(1, 3)] int threadCount)
    {
        using Resampler resampler = Load(threadCount);
        Resample(resampler, 9);
        using AutoResetEvent begun = new(false);
        CancellationTokenSource source = new();
        bool isOver = false;
        Thread canceller = new(() =>
        {
            for (int spin = 0; begun.WaitOne() && !Volatile.Read(ref isOver); spin = (spin + 37) % 4000)
            {
                Thread.SpinWait(spin);
                source.Cancel();
            }
        });
        canceller.Start();
        int thrown = 0;
        for (int run = 0; run < 300; run++)
        {
            source = new CancellationTokenSource();
            float[] tokens = [.. Enumerable.Repeat(Untouched, TokenCount)];
            begun.Set();
            try
            {
                resampler.Resample(Features[9], [Grids[9]], tokens, source.Token);
                AssertBits(tokens, 9);
            }
            catch (OperationCanceledException)
            {
                thrown++;
                Assert.That(tokens, Is.All.EqualTo(Untouched));
            }
        }

        Volatile.Write(ref isOver, true);
        begun.Set();
        canceller.Join();
        TestContext.Out.WriteLine($"{thrown} of 300 were cancelled");
        source.Dispose();
    }
}
