using System.Runtime.CompilerServices;

namespace MsResampler.Tests.Api;

/// <summary>Disposing a model, and the threads that it owns.</summary>
internal sealed class DisposalTests : ResamplerFixture
{
    [Test]
    public void Disposal_during_many_calls_corrupts_no_call([Values(0, 1L << 28)] long gridCacheBytes)
    {
        Resampler resampler = Resampler.Load(Model.Model,
            new ResamplerOptions { ThreadCount = 2, GridCacheBytes = gridCacheBytes });
        int finished = 0;
        using Barrier begun = new(9);
        Task[] callers = [.. Enumerable.Range(0, 8).Select(caller => Task.Factory.StartNew(() =>
        {
            Random random = new(caller);
            begun.SignalAndWait();
            while (true)
            {
                int[] images = random.GetItems([.. Enumerable.Range(0, Grids.Length)], 3);
                float[] tokens;
                try
                {
                    tokens = Resample(resampler, images);
                }
                catch (ObjectDisposedException)
                {
                    return;
                }

                AssertBits(tokens, images);
                Interlocked.Increment(ref finished);
            }
        }, TaskCreationOptions.LongRunning))];
        begun.SignalAndWait();
        SpinWait.SpinUntil(() => Volatile.Read(ref finished) >= 20);

        resampler.Dispose();

        Assert.That(Task.WaitAll(callers, TimeSpan.FromSeconds(60)), Is.True);
    }

    [Test]
    public void Disposal_releases_weights_and_workspaces_of_a_held_object()
    {
        using TestModel model = new(Config with { VisionHiddenSize = 512, HiddenSize = 516 });
        PatchGrid grid = new(24, 24);
        float[] features = model.RandomFeatures(grid, 1);
        float[] tokens = new float[TokenCount];
        // Allocates what the runtime keeps after the first use, such as the arrays of its pools.
        using (Resampler first = Resampler.Load(model.Model))
        {
            first.Resample(features, [grid], tokens);
            first.Explain(features, grid);
        }

        long before = GC.GetTotalMemory(forceFullCollection: true);
        Resampler resampler = Resampler.Load(model.Model);
        resampler.Resample(features, [grid], tokens);
        Explanation explanation = resampler.Explain(features, grid);
        float[] attention = explanation.Attention(2, 1).ToArray();
        long loaded = GC.GetTotalMemory(forceFullCollection: true) - before;

        resampler.Dispose();
        // The threads end asynchronously and may still reference their last work.
        long left = long.MaxValue;
        for (int round = 0; round < 500 && left > loaded / 20; round++)
        {
            Thread.Sleep(20);
            left = GC.GetTotalMemory(forceFullCollection: true) - before;
        }

        TestContext.Out.WriteLine($"{loaded:N0} bytes before, {left:N0} after");
        Assert.That(loaded, Is.GreaterThan(20_000_000));
        // What remains is the explanation, 3·3·9·576 floats, and caches of the runtime.
        Assert.That(left, Is.LessThan(loaded / 20));
        Assert.That(explanation.Attention(2, 1).SequenceEqual(attention), Is.True);
        Assert.That(() => resampler.Resample(features, [grid], tokens), Throws.TypeOf<ObjectDisposedException>()
            .With.Message.Contains(nameof(Resampler)));
        Assert.That(resampler.ThreadCount, Is.GreaterThan(0));
        GC.KeepAlive(resampler);
    }

    [Test]
    public void Disposal_may_be_repeated_and_later_calls_throw()
    {
        Resampler resampler = Load();

        resampler.Dispose();
        resampler.Dispose();

        Assert.That(() => Resample(resampler, 0), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => resampler.Explain(Features[0], Grids[0]), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(resampler.Config.HiddenSize, Is.EqualTo(36));
    }

    [Test]
    public void Running_calls_complete_after_disposal([Range(0, 9)] int run)
    {
        Resampler resampler = Load(3);
        int[] images = [.. Enumerable.Range(0, 60).Select(index => index % Grids.Length)];
        using ManualResetEventSlim started = new();
        Task<float[]> call = Task.Run(() =>
        {
            started.Set();
            try
            {
                return Resample(resampler, images);
            }
            catch (ObjectDisposedException)
            {
                return [];
            }
        });
        started.Wait();
        Thread.Sleep(run);

        resampler.Dispose();

        float[] tokens = call.GetAwaiter().GetResult();
        Assert.That(tokens, Has.Length.AnyOf(0, images.Length * TokenCount));
        AssertBits(tokens, tokens.Length == 0 ? [] : images);
    }

    private static int WorkerThreads()
    {
        int count = 0;
        foreach (string task in Directory.GetDirectories("/proc/self/task"))
        {
            try
            {
                string name = File.ReadAllText(Path.Combine(task, "comm"));
                count += name.StartsWith("MsResampler", StringComparison.Ordinal) ? 1 : 0;
            }
            catch (IOException)
            {
                // The thread has ended in the meantime.
            }
        }

        return count;
    }

    /// <summary>The number of threads after those of earlier tests have ended.</summary>
    private static int SettledWorkerThreads()
    {
        int count;
        do
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            count = WorkerThreads();
            Thread.Sleep(50);
        }
        while (count != WorkerThreads());
        return count;
    }

    private static void AssertWorkerThreads(int expected)
    {
        for (int wait = 0; wait < 500 && WorkerThreads() != expected; wait++)
            Thread.Sleep(10);
        Assert.That(WorkerThreads(), Is.EqualTo(expected));
    }

    [Test]
    [Platform("Linux", Reason = "counts threads by name in /proc")]
    public void Disposal_ends_the_threads()
    {
        int before = SettledWorkerThreads();
        Resampler resampler = Load(5);
        Resample(resampler, 0);
        AssertWorkerThreads(before + 4);

        resampler.Dispose();

        AssertWorkerThreads(before);
    }

    [Test]
    [Platform("Linux", Reason = "counts threads by name in /proc")]
    public void An_unreachable_instance_is_finalised_and_its_threads_end()
    {
        int before = SettledWorkerThreads();
        WeakReference abandoned = Abandon(before);

        for (int round = 0; round < 500 && (abandoned.IsAlive || WorkerThreads() != before); round++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            Thread.Sleep(10);
        }

        Assert.That(abandoned.IsAlive, Is.False);
        Assert.That(WorkerThreads(), Is.EqualTo(before));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private WeakReference Abandon(int before)
    {
        Resampler resampler = Load(5);
        Resample(resampler, 0);
        AssertWorkerThreads(before + 4);
        GC.KeepAlive(resampler);
        return new WeakReference(resampler);
    }

    [Test]
    [Platform("Linux", Reason = "counts threads by name in /proc")]
    public void There_are_no_more_threads_than_processors()
    {
        int before = SettledWorkerThreads();
        int excess = Environment.ProcessorCount + 14;
        using Resampler resampler = Resampler.Load(Model.Model, new ResamplerOptions { ThreadCount = excess });

        Assert.That(resampler.ThreadCount, Is.EqualTo(Environment.ProcessorCount));
        Assert.That(resampler.Description, Does.Contain($", {Environment.ProcessorCount} thread"));
        AssertWorkerThreads(before + Environment.ProcessorCount - 1);
        AssertBits(Resample(resampler, 0, 9), 0, 9);
    }
}
