using System.Diagnostics;

namespace MsResampler.Tests.Cpu;

/// <summary>The load of a service: many callers, ragged grids and mixed batches over a long time.</summary>
[NonParallelizable]
public class ServiceTests
{
    private const int CallerCount = 8;

    private static readonly PatchGrid[] s_grids = GridCacheTests.RaggedGrids;

    private static TestModel Model(bool isAnchored) => new(Configs.Mixed with
    {
        PositionEmbedding = new(PositionEmbeddingType.SinCos2D,
            isAnchored ? PositionEmbeddingType.SinCos2D : PositionEmbeddingType.None),
    });

    /// <summary>Rounds of concurrent calls from separate threads; returns the allocation of each thread in each
    /// round.</summary>
    private static long[][] Run(Resampler resampler, TestModel model, int roundCount, Func<int, int, PatchGrid[]> batch)
    {
        long[][] allocated = [.. Enumerable.Range(0, CallerCount).Select(_ => new long[roundCount])];
        int tokenCount = model.Model.Config.QueryGrid.QueryCount * model.Model.Config.OutputSize;
        using Barrier barrier = new(CallerCount);
        Exception? failure = null;
        Thread[] threads = [.. Enumerable.Range(0, CallerCount).Select(caller => new Thread(() =>
        {
            try
            {
                PatchGrid[][] grids = [.. Enumerable.Range(0, roundCount).Select(round => batch(caller, round))];
                float[] features = model.RandomFeatures(new PatchGrid(1,
                    (int)grids.Max(images => images.Sum(grid => grid.PatchCount))), caller);
                float[] tokens = new float[grids.Max(images => images.Length) * tokenCount];
                for (int round = 0; round < roundCount; round++)
                {
                    barrier.SignalAndWait();
                    PatchGrid[] images = grids[round];
                    int count = (int)images.Sum(grid => grid.PatchCount) * model.Model.Config.VisionHiddenSize;
                    long before = GC.GetAllocatedBytesForCurrentThread();
                    resampler.Resample(features.AsSpan(0, count), images, tokens.AsSpan(0, images.Length * tokenCount));
                    allocated[caller][round] = GC.GetAllocatedBytesForCurrentThread() - before;
                }
            }
            catch (Exception e)
            {
                failure = e;
                barrier.RemoveParticipant();
            }
        }))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
        if (failure is not null)
            throw failure;
        return allocated;
    }

    private static PatchGrid[] Mixed(int caller, int round)
    {
        Random random = new((caller * 7919) + round);
        return random.GetItems(s_grids, random.Next(1, 6));
    }

    /// <summary>Workspaces are created for concurrent calls and grow to the largest batch, and the runtime recompiles
    /// frequent methods. When all that has ended, no call of any caller may allocate.</summary>
    [Test]
    public void Warm_calls_of_many_threads_over_many_grids_do_not_allocate([Values] bool isAnchored)
    {
        const int RoundCount = 60;
        const int CleanCount = 4;
        using TestModel model = Model(isAnchored);
        using Resampler resampler = Resampler.Load(model.Model);
        Run(resampler, model, 1, (_, _) => s_grids);
        List<long> runs = [];
        while (runs.Count < CleanCount || (runs.TakeLast(CleanCount).Any(bytes => bytes > 0) && runs.Count < 60))
        {
            Thread.Sleep(100);
            runs.Add(Run(resampler, model, RoundCount, Mixed).Sum(rounds => rounds.Sum()));
        }

        TestContext.Out.WriteLine(string.Join(" ", runs));
        Assert.That(runs.TakeLast(CleanCount), Is.All.Zero, $"{RoundCount * CallerCount} calls each");
    }

    /// <summary>If no grid fits in the cache, the operands of every image are created again in reused memory. Only
    /// the small objects that describe them are allocated. A workspace is created when more calls than ever before run
    /// at the same time.</summary>
    [Test]
    public void A_cache_that_is_too_small_causes_little_garbage([Values] bool isAnchored)
    {
        using TestModel model = Model(isAnchored);
        using Resampler resampler = Resampler.Load(model.Model, new ResamplerOptions { GridCacheBytes = 0 });
        const int RoundCount = 40;
        int imageCount = Enumerable.Range(0, CallerCount).Sum(caller => Enumerable.Range(0, RoundCount)
            .Sum(round => Mixed(caller, round).Length));
        Run(resampler, model, RoundCount, Mixed);
        Measured.AssertBelow(16_384, "bytes per image",
            () => (double)Run(resampler, model, RoundCount, Mixed).Sum(rounds => rounds.Sum()) / imageCount);
    }

    [Test]
    public void A_short_soak()
        => Soak(TimeSpan.FromSeconds(6), TimeSpan.FromSeconds(3), limit: 50_000_000, isMemoryChecked: false);

    [Test]
    [Explicit("takes ten minutes; run it after a change of what calls keep")]
    public void A_ten_minute_soak()
        => Soak(TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(1), limit: 100_000_000, isMemoryChecked: true);

    /// <summary>Eight threads, 200 grids, batches of one to five images. The limit is of all bytes that are allocated
    /// after the start, including what the runtime needs, and the process may use at most twice the memory of
    /// model, workspaces and grids.</summary>
    private static void Soak(TimeSpan duration, TimeSpan start, long limit, bool isMemoryChecked)
    {
        using TestModel model = new(Configs.Mixed with
        {
            VisionHiddenSize = 64,
            HiddenSize = 256,
            AttentionHeadCount = 4,
            QueryGrid = new QueryGrid(8, 8),
            OutputSize = 256,
        });
        // Excludes what the runtime itself needs for loading and compiling.
        using (Resampler first = Resampler.Load(model.Model))
            Serve(first, model, TimeSpan.FromSeconds(isMemoryChecked ? 10 : 1), TimeSpan.Zero, () => { });
        long idle = Settled();
        long workingSet = WorkingSet();
        using Resampler resampler = Resampler.Load(model.Model);
        long modelBytes = Settled() - idle;
        long allocated = 0;
        int collections = 0;

        (long calls, long images) = Serve(resampler, model, duration, start, () =>
            (allocated, collections) = (GC.GetTotalAllocatedBytes(precise: true), GC.CollectionCount(2)));

        allocated = GC.GetTotalAllocatedBytes(precise: true) - allocated;
        collections = GC.CollectionCount(2) - collections;
        workingSet = WorkingSet() - workingSet;
        long held = Settled() - idle;
        TestContext.Out.WriteLine(
            $"{calls:N0} calls, {images:N0} images in {duration}: {allocated:N0} bytes allocated after " +
            $"{start}, {collections} full collections, {held:N0} bytes held, of which the model {modelBytes:N0}; " +
            $"working set {workingSet:N0} more");
        Assert.That(calls, Is.GreaterThan(100));
        Assert.That(allocated, Is.LessThan(limit));
        Assert.That(collections, Is.LessThanOrEqualTo(2));
        if (isMemoryChecked)
            Assert.That(workingSet, Is.LessThan(2 * held));
        GC.KeepAlive(resampler);

        static long Settled()
        {
            GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            return GC.GetTotalMemory(forceFullCollection: true);
        }

        static long WorkingSet()
        {
            using Process process = Process.GetCurrentProcess();
            return process.WorkingSet64;
        }
    }

    private static (long Calls, long Images) Serve(
        Resampler resampler, TestModel model, TimeSpan duration, TimeSpan start,
        Action whenStarted)
    {
        ResamplerConfig config = model.Model.Config;
        int tokenCount = config.QueryGrid.QueryCount * config.OutputSize;
        float[] features = model.RandomFeatures(new PatchGrid(1, 5 * 24 * 24), 1);
        Stopwatch clock = Stopwatch.StartNew();
        long calls = 0;
        long images = 0;
        Exception? failure = null;
        Thread[] threads = [.. Enumerable.Range(0, CallerCount).Select(caller => new Thread(() =>
        {
            Random random = new(caller);
            float[] tokens = new float[5 * tokenCount];
            PatchGrid[] batch = new PatchGrid[5];
            try
            {
                while (clock.Elapsed < duration)
                {
                    int count = random.Next(1, 6);
                    int patches = 0;
                    for (int image = 0; image < count; image++)
                    {
                        batch[image] = s_grids[random.Next(s_grids.Length)];
                        patches += (int)batch[image].PatchCount;
                    }

                    resampler.Resample(features.AsSpan(0, patches * config.VisionHiddenSize), batch.AsSpan(0, count),
                        tokens.AsSpan(0, count * tokenCount));
                    Interlocked.Increment(ref calls);
                    Interlocked.Add(ref images, count);
                }
            }
            catch (Exception e)
            {
                failure = e;
            }
        }))];
        foreach (Thread thread in threads)
            thread.Start();
        Thread.Sleep(start);
        whenStarted();
        foreach (Thread thread in threads)
            thread.Join();
        return failure is null ? (calls, images) : throw failure;
    }
}
