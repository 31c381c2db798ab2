using System.Diagnostics;
using System.Runtime.CompilerServices;
using MsResampler.Cpu;
using MsResampler.Planning;

namespace MsResampler.Tests;

/// <summary>What the public door promises beside the numbers.</summary>
[NonParallelizable]
public class ResamplerTests
{
    private const float Untouched = 77;

    // Three strategies on the larger grids; a gate whose width fills no vector.
    private static readonly ResamplerConfig s_config = Configs.Mixed;

    private static readonly PatchGrid[] s_grids =
    [
        new(4, 5), new(1, 1), new(12, 9), new(4, 5), new(1, 30), new(17, 2), new(4, 5), new(12, 9), new(3, 3),
        new(24, 24),
    ];

    private TestModel _model = null!;

    private float[][] _features = null!;

    private float[][] _alone = null!;

    private static int TokenCount => s_config.QueryGrid.QueryCount * s_config.OutputSize;

    [OneTimeSetUp]
    public void Create()
    {
        _model = new TestModel(s_config);
        _features = [.. s_grids.Select((grid, image) => _model.RandomFeatures(grid, image))];
        using Resampler resampler = Load(threadCount: 1);
        _alone = [.. s_grids.Select((_, image) => Resample(resampler, image))];
    }

    [OneTimeTearDown]
    public void Delete() => _model.Dispose();

    private Resampler Load(int threadCount = 2, bool validate = true)
        => Resampler.Load(_model.Model, new ResamplerOptions
        {
            ThreadCount = threadCount,
            ValidateFeatures = validate,
            ProcessorCount = Math.Max(threadCount, Environment.ProcessorCount),
        });

    private float[] Resample(Resampler resampler, params int[] images)
    {
        float[] tokens = new float[images.Length * TokenCount];
        resampler.Resample([.. images.SelectMany(image => _features[image])],
            [.. images.Select(image => s_grids[image])], tokens);
        return tokens;
    }

    private void AssertBits(float[] tokens, params int[] images)
    {
        for (int index = 0; index < images.Length; index++)
            Assert.That(Bits(tokens.AsSpan(index * TokenCount, TokenCount)), Is.EqualTo(Bits(_alone[images[index]])),
                $"image {images[index]} at {index} of {string.Join(", ", images)}");
    }

    private static int[] Bits(ReadOnlySpan<float> values)
        => [.. System.Runtime.InteropServices.MemoryMarshal.Cast<float, int>(values)];

    [Test]
    public void The_images_here_take_every_strategy()
    {
        using Resampler resampler = Load();

        Assert.That(s_grids.SelectMany(grid => resampler.Plan(grid).Scopes).Select(scope => scope.Keys).Distinct(),
            Is.EquivalentTo(Enum.GetValues<ProjectionStrategy>()));
    }

    [Test]
    public void Tokens_are_the_same_bits_in_any_batch_on_any_number_of_threads([Values(1, 2, 3, 5)] int threadCount)
    {
        using Resampler resampler = Load(threadCount);
        int[] all = [.. Enumerable.Range(0, s_grids.Length)];
        Random random = new(threadCount);

        foreach (int image in all)
            AssertBits(Resample(resampler, image), image);
        AssertBits(Resample(resampler, all), all);
        AssertBits(Resample(resampler, [.. all.Reverse()]), [.. all.Reverse()]);
        for (int run = 0; run < 10; run++)
        {
            int[] images = random.GetItems(all, random.Next(1, 40));
            AssertBits(Resample(resampler, images), images);
        }
    }

    [Test]
    public void Tokens_are_the_same_bits_from_concurrent_calls()
    {
        using Resampler resampler = Load(3);

        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, caller =>
        {
            Random random = new(caller);
            for (int run = 0; run < 12; run++)
            {
                int[] images = random.GetItems([.. Enumerable.Range(0, s_grids.Length)], random.Next(1, 6));
                AssertBits(Resample(resampler, images), images);
            }
        });
    }

    [Test]
    public void Tokens_are_the_same_bits_whatever_the_gate_s_width(
        [Values(1, 5, 17)] int gateWidth, [Values(1, 2, 7)] int queryCount)
    {
        using TestModel model = new(s_config with
        {
            QueryGrid = new QueryGrid(1, queryCount),
            Gate = new GateConfig(gateWidth, GateGranularity.Token),
        });
        PatchGrid grid = new(3, 4);
        const int ImageCount = 9;
        float[] features = model.RandomFeatures(new PatchGrid(3, 4 * ImageCount), 1);
        int featureCount = features.Length / ImageCount;
        float[] batch = new float[ImageCount * queryCount * s_config.OutputSize];
        float[] alone = new float[batch.Length];
        int tokenCount = batch.Length / ImageCount;

        model.Engine.Resample(features, [.. Enumerable.Repeat(grid, ImageCount)], batch);
        for (int image = 0; image < ImageCount; image++)
            model.Engine.Resample(features.AsSpan(image * featureCount, featureCount), [grid],
                alone.AsSpan(image * tokenCount, tokenCount));

        Assert.That(Bits(batch), Is.EqualTo(Bits(alone)));
    }

    [Test]
    public void Tokens_are_the_same_bits_where_rows_fill_whole_tiles_or_do_not()
    {
        // Widths that fill the widest tile, so that rows alone decide whether a tile is whole.
        using TestModel model = new(s_config with
        {
            VisionHiddenSize = 64,
            HiddenSize = 128,
            AttentionHeadCount = 2,
            OutputSize = 64,
            Gate = new GateConfig(64, GateGranularity.Token),
        });
        PatchGrid[] grids = [new(1, 1), new(5, 7), new(12, 9), new(1, 30), new(3, 3)];
        float[][] features = [.. grids.Select((grid, image) => model.RandomFeatures(grid, image))];
        int tokenCount = s_config.QueryGrid.QueryCount * 64;
        float[] batch = new float[grids.Length * tokenCount];
        float[] alone = new float[batch.Length];

        model.Engine.Resample([.. features.SelectMany(values => values)], grids, batch);
        for (int image = 0; image < grids.Length; image++)
            model.Engine.Resample(features[image], [grids[image]], alone.AsSpan(image * tokenCount, tokenCount));

        Assert.That(Bits(batch), Is.EqualTo(Bits(alone)));
    }

    [Test]
    public void Wrong_arguments_are_refused_before_any_work()
    {
        using Resampler resampler = Load();
        float[] tokens = [.. Enumerable.Repeat(Untouched, TokenCount)];
        float[] features = _features[0];

        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => resampler.Resample(features.AsSpan(1), [s_grids[0]], tokens),
                Throws.ArgumentException.With.Message.Contains(
                    "features: expected 240 (20 patches x 12 channels) values, found 239"));
            Assert.That(
                () => resampler.Resample(features, [s_grids[0], new PatchGrid(1, 1)], new float[2 * TokenCount]),
                Throws.ArgumentException.With.Message.Contains("252 (21 patches"));
            Assert.That(() => resampler.Resample(features, [], []), Throws.ArgumentException);
            Assert.That(() => resampler.Resample(features, [s_grids[0]], tokens.AsSpan(1)),
                Throws.ArgumentException.With.Message.Contains(
                    "tokens: expected 90 (1 images x 9 tokens x 10) values, found 89"));
            Assert.That(() => resampler.Resample(features, [s_grids[0]], new float[TokenCount + 1]),
                Throws.ArgumentException);
            foreach (PatchGrid grid in new PatchGrid[] { new(0, 5), new(4, 0), new(-4, -5), new(-1, 1), default })
            {
                Assert.That(() => resampler.Resample(features, [grid], tokens),
                    Throws.ArgumentException.With.Message.Contains(
                        $"image 0: expected a patch grid of at least 1x1, found {grid}"));
                Assert.That(() => resampler.Explain(features, grid), Throws.ArgumentException);
            }

            Assert.That(() => resampler.Resample(features,
                [new(int.MaxValue, int.MaxValue), new(int.MaxValue, int.MaxValue),
                new(int.MaxValue, int.MaxValue)], tokens), Throws.ArgumentException);
            Assert.That(() => resampler.Explain(features, new PatchGrid(5, 5)), Throws.ArgumentException);
            Assert.That(() => resampler.Explain([], new PatchGrid(1, 1)), Throws.ArgumentException);
        }

        Assert.That(tokens, Is.All.EqualTo(Untouched));
    }

    [Test]
    public void No_images_are_no_work()
    {
        using Resampler resampler = Load();

        Assert.That(() => resampler.Resample([], [], []), Throws.Nothing);
    }

    [Test]
    public void Tokens_must_not_overlap_the_features()
    {
        using Resampler resampler = Load();
        float[] memory = new float[240 + TokenCount];

        using (Assert.EnterMultipleScope())
        {
            foreach (int start in new[] { 0, 1, 240 - TokenCount, 239 })
                Assert.That(() => resampler.Resample(memory.AsSpan(0, 240), [s_grids[0]],
                        memory.AsSpan(start, TokenCount)),
                    Throws.ArgumentException.With.Message.Contains("overlap"));
            Assert.That(() => resampler.Resample(memory.AsSpan(0, 240), [s_grids[0]], memory.AsSpan(240, TokenCount)),
                Throws.Nothing);
        }
    }

    [Test]
    public void A_value_that_is_not_finite_is_named(
        [Values(float.NaN, float.PositiveInfinity, float.NegativeInfinity)] float bad)
    {
        using Resampler resampler = Load();
        float[] tokens = [.. Enumerable.Repeat(Untouched, 3 * TokenCount)];
        // Image 1 is 12×9: row 7, column 4, channel 11; two later ones must not be reported.
        float[] features = [.. _features[0], .. _features[2], .. _features[3]];
        features[240 + ((((7 * 9) + 4) * 12) + 11)] = bad;
        features[240 + (((7 * 9) + 5) * 12)] = float.NaN;
        features[^1] = float.NaN;

        InvalidFeaturesException error = Assert.Throws<InvalidFeaturesException>(
            () => resampler.Resample(features, [s_grids[0], s_grids[2], s_grids[3]], tokens))!;

        Assert.That((error.ImageIndex, error.Row, error.Column, error.Channel), Is.EqualTo((1, 7, 4, 11)));
        Assert.That(error.Message,
            Does.StartWith($"image 1 (12x9 patches): the feature at row 7, column 4, channel 11 is {bad};"));
        Assert.That(tokens, Is.All.EqualTo(Untouched));
        Assert.That(() => resampler.Explain([.. Enumerable.Repeat(bad, 12)], new PatchGrid(1, 1)),
            Throws.TypeOf<InvalidFeaturesException>());
        AssertBits(Resample(resampler, 0), 0);
    }

    [Test]
    public void The_check_for_finite_values_can_be_turned_off()
    {
        using Resampler resampler = Load(validate: false);
        float[] features = [.. _features[0], .. _features[2]];
        features[0] = float.NaN;
        float[] tokens = new float[2 * TokenCount];

        ActivationOverflowException error = Assert.Throws<ActivationOverflowException>(
            () => resampler.Resample(features, [s_grids[0], s_grids[2]], tokens))!;

        Assert.That(error.ImageIndex, Is.Zero);
        resampler.Resample(features.AsSpan(240), [s_grids[2]], tokens.AsSpan(TokenCount));
        Assert.That(Bits(tokens.AsSpan(TokenCount)), Is.EqualTo(Bits(_alone[2])), "the model stays usable");
        Assert.That(() => resampler.Explain(features.AsSpan(0, 240), s_grids[0]),
            Throws.TypeOf<ActivationOverflowException>());
    }

    [Test]
    public void A_cancelled_call_does_nothing([Values] bool validate)
    {
        using Resampler resampler = Load(validate: validate);
        float[] tokens = [.. Enumerable.Repeat(Untouched, TokenCount)];

        Assert.That(() => resampler.Resample(_features[0], [s_grids[0]], tokens, new CancellationToken(canceled: true)),
            Throws.InstanceOf<OperationCanceledException>());

        Assert.That(tokens, Is.All.EqualTo(Untouched));
        AssertBits(Resample(resampler, 0), 0);
    }

    [Test]
    public void Cancelling_stops_a_long_call_within_an_image([Values(1, 3)] int threadCount)
    {
        using Resampler resampler = Load(threadCount);
        const int ImageCount = 3000;
        float[] features = [.. Enumerable.Repeat(_features[9], ImageCount).SelectMany(values => values)];
        PatchGrid[] grids = [.. Enumerable.Repeat(s_grids[9], ImageCount)];
        float[] tokens = new float[ImageCount * TokenCount];
        resampler.Resample(_features[9], [s_grids[9]], tokens.AsSpan(0, TokenCount));
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
        TimeSpan late = Stopwatch.GetElapsedTime(cancelled);
        canceller.Join();

        // The whole call takes seconds; an image takes about a millisecond, and the machine may be busy.
        Assert.That(late, Is.LessThan(TimeSpan.FromMilliseconds(500)));
        Assert.That(tokens.AsSpan(tokens.Length - TokenCount).ToArray(), Is.All.Zero, "the last image was not reached");
        AssertBits(Resample(resampler, 9, 0), 9, 0);
    }

    /// <summary>On one lane at a time the whole image takes ten seconds and more; it is cancelled after one, when its first
    /// products are under way. Were the token looked at between groups only, the call would return tokens after all.
    /// </summary>
    [Test]
    public void Cancelling_stops_within_a_single_image_and_leaves_its_tokens([Values(1, 2)] int threadCount)
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
        // What is made once for a grid must not be what is cancelled.
        GridCache grids = ((CpuEngine<MsResampler.Cpu.Simd.SimdScalar, float>)engine).Grids;
        grids.Release(grids.Acquire(grid));
        using CancellationTokenSource source = new(TimeSpan.FromSeconds(1));
        long start = Stopwatch.GetTimestamp();

        Assert.That(() => engine.Resample(features, [grid], tokens, source.Token),
            Throws.InstanceOf<OperationCanceledException>());

        TestContext.Out.WriteLine($"thrown after {Stopwatch.GetElapsedTime(start).TotalSeconds:F2} s");
        Assert.That(tokens, Is.All.EqualTo(Untouched));
    }

    /// <summary>Cancelled at any moment, a call for one image has either thrown and left its tokens, or finished.</summary>
    [Test]
    public void A_cancelled_image_has_all_of_its_tokens_or_none([Values(1, 3)] int threadCount)
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
                resampler.Resample(_features[9], [s_grids[9]], tokens, source.Token);
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

    [Test]
    public void Disposal_under_many_callers_spoils_no_call([Values(0, 1L << 28)] long gridCacheBytes)
    {
        Resampler resampler = Resampler.Load(_model.Model,
            new ResamplerOptions { ThreadCount = 2, GridCacheBytes = gridCacheBytes });
        int finished = 0;
        using Barrier begun = new(9);
        Task[] callers = [.. Enumerable.Range(0, 8).Select(caller => Task.Factory.StartNew(() =>
        {
            Random random = new(caller);
            begun.SignalAndWait();
            while (true)
            {
                int[] images = random.GetItems([.. Enumerable.Range(0, s_grids.Length)], 3);
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
    public void Disposal_lets_go_of_weights_and_workspaces_whoever_holds_the_object()
    {
        using TestModel model = new(s_config with { VisionHiddenSize = 512, HiddenSize = 516 });
        PatchGrid grid = new(24, 24);
        float[] features = model.RandomFeatures(grid, 1);
        float[] tokens = new float[TokenCount];
        // What the runtime keeps from the first time on, such as the arrays of its pools, is there before.
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
        // The threads end in their own time, and may be reading what they ran last.
        long left = long.MaxValue;
        for (int round = 0; round < 50 && left > loaded / 20; round++)
        {
            Thread.Sleep(20);
            left = GC.GetTotalMemory(forceFullCollection: true) - before;
        }

        TestContext.Out.WriteLine($"{loaded:N0} bytes before, {left:N0} after");
        Assert.That(loaded, Is.GreaterThan(20_000_000));
        // What is left is the explanation, 3·3·9·576 floats, and what the runtime caches by itself.
        Assert.That(left, Is.LessThan(loaded / 20));
        Assert.That(explanation.Attention(2, 1).SequenceEqual(attention), Is.True);
        Assert.That(() => resampler.Resample(features, [grid], tokens), Throws.TypeOf<ObjectDisposedException>()
            .With.Message.Contains(nameof(Resampler)));
        Assert.That(resampler.ThreadCount, Is.GreaterThan(0));
        GC.KeepAlive(resampler);
    }

    [Test]
    public void Disposal_may_be_repeated_and_ends_use()
    {
        Resampler resampler = Load();

        resampler.Dispose();
        resampler.Dispose();

        Assert.That(() => Resample(resampler, 0), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => resampler.Explain(_features[0], s_grids[0]), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(resampler.Config.HiddenSize, Is.EqualTo(36));
    }

    [Test]
    public void Calls_under_way_outlive_disposal([Range(0, 9)] int run)
    {
        Resampler resampler = Load(3);
        int[] images = [.. Enumerable.Range(0, 60).Select(index => index % s_grids.Length)];
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
                // The thread ended meanwhile.
            }
        }

        return count;
    }

    /// <summary>The number once the threads of earlier tests have ended.</summary>
    private static int SettledWorkerThreads()
    {
        int count;
        do
        {
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
    public void An_abandoned_instance_is_finalised_and_its_threads_end()
    {
        int before = SettledWorkerThreads();
        WeakReference abandoned = Abandon(before);

        for (int round = 0; round < 50 && (abandoned.IsAlive || WorkerThreads() != before); round++)
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

    [TestCase(Precision.TensorFloat32)]
    [TestCase(Precision.Float16)]
    [TestCase(Precision.BFloat16)]
    public void The_processor_refuses_what_is_not_float32(Precision precision)
        => Assert.That(() => Resampler.Load(_model.Model, new ResamplerOptions { Precision = precision }),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains($"{precision}").And.Message.Contains("float32"));

    [Test]
    public void A_precision_that_does_not_exist_is_refused()
        => Assert.That(() => Resampler.Load(_model.Model, new ResamplerOptions { Precision = (Precision)17 }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("BFloat16"));

    [Test]
    public void The_number_of_threads_is_an_option()
    {
        using (Assert.EnterMultipleScope())
        {
            foreach (int count in new[] { 1, 4 })
            {
                using Resampler resampler = Load(count);
                Assert.That(resampler.ThreadCount, Is.EqualTo(count));
                Assert.That(resampler.Description, Does.EndWith(count == 1 ? ", 1 thread" : ", 4 threads"));
            }

            using Resampler automatic = Load(0);
            Assert.That(automatic.ThreadCount, Is.EqualTo(Environment.ProcessorCount));
            Assert.That(() => Load(-1), Throws.TypeOf<ArgumentOutOfRangeException>()
                .With.Message.Contains("ThreadCount"));
        }
    }

    [Test]
    [Platform("Linux", Reason = "counts threads by name in /proc")]
    public void There_are_no_more_threads_than_processors()
    {
        int before = SettledWorkerThreads();
        int excess = Environment.ProcessorCount + 14;
        using Resampler resampler = Resampler.Load(_model.Model, new ResamplerOptions { ThreadCount = excess });

        Assert.That(resampler.ThreadCount, Is.EqualTo(Environment.ProcessorCount));
        Assert.That(resampler.Description, Does.Contain($", {Environment.ProcessorCount} thread"));
        AssertWorkerThreads(before + Environment.ProcessorCount - 1);
        AssertBits(Resample(resampler, 0, 9), 0, 9);
    }

    [Test]
    public void The_memory_for_grids_is_an_option()
    {
        Assert.That(new ResamplerOptions().GridCacheBytes, Is.EqualTo(256L << 20));
        Assert.That(() => Resampler.Load(_model.Model, new ResamplerOptions { GridCacheBytes = -1 }),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("GridCacheBytes"));
        foreach (long bytes in new[] { 0, 1, long.MaxValue })
        {
            using Resampler resampler = Resampler.Load(_model.Model, new ResamplerOptions { GridCacheBytes = bytes });
            int[] images = [.. Enumerable.Range(0, s_grids.Length)];
            AssertBits(Resample(resampler, images), images);
            AssertBits(Resample(resampler, [.. images.Reverse()]), [.. images.Reverse()]);
        }
    }

    [Test]
    public void The_instruction_set_can_be_forced()
    {
        string? kept = Environment.GetEnvironmentVariable(CpuVariant.EnvironmentVariable);
        try
        {
            foreach (CpuVariant variant in CpuVariant.All)
            {
                Environment.SetEnvironmentVariable(CpuVariant.EnvironmentVariable, variant.Name);
                if (!variant.IsSupported)
                {
                    Assert.That(() => Load(), Throws.TypeOf<NotSupportedException>());
                    continue;
                }

                using Resampler resampler = Load();
                Assert.That(resampler.Description, Does.StartWith($"cpu, {variant.Name}, "));
            }

            Environment.SetEnvironmentVariable(CpuVariant.EnvironmentVariable, "abacus");
            Assert.That(() => Load(), Throws.TypeOf<NotSupportedException>()
                .With.Message.Contains("found 'abacus'").And.Message.Contains("scalar"));
            Environment.SetEnvironmentVariable(CpuVariant.EnvironmentVariable, "");
            Assert.That(() => Load().Dispose(), Throws.Nothing);
        }
        finally
        {
            Environment.SetEnvironmentVariable(CpuVariant.EnvironmentVariable, kept);
        }
    }

    [Test]
    public void Files_are_not_needed_after_loading()
    {
        Resampler resampler;
        using (TestModel model = new(s_config))
            resampler = Resampler.Load(model.Model);

        using (resampler)
            AssertBits(Resample(resampler, 2), 2);
    }

    [Test]
    public void An_explanation_holds_weights_within_each_scope([Values(0, 1, 2, 4)] int image)
    {
        using Resampler resampler = Load();
        PatchGrid grid = s_grids[image];
        int queryCount = s_config.QueryGrid.QueryCount;

        Explanation explanation = resampler.Explain(_features[image], grid);

        Assert.That((explanation.Grid, explanation.QueryCount, explanation.ScopeCount, explanation.HeadCount,
            explanation.GateGroupCount), Is.EqualTo((grid, 9, 3, 3, 3)));
        for (int scope = 0; scope < 3; scope++)
        {
            ScopeWindows windows = ScopeWindows.Resolve(s_config.Scopes[scope], s_config.QueryGrid, grid);
            for (int head = 0; head < 3; head++)
            {
                float[] weights = explanation.Attention(scope, head).ToArray();
                Assert.That(weights, Has.Length.EqualTo(queryCount * grid.PatchCount).And.All.InRange(0, 1.000001));
                for (int query = 0; query < queryCount; query++)
                {
                    double sum = 0;
                    for (int patch = 0; patch < grid.PatchCount; patch++)
                    {
                        float weight = weights[(query * grid.PatchCount) + patch];
                        sum += weight;
                        if (!windows.Rows[query / 3].Contains(patch / grid.Columns)
                            || !windows.Columns[query % 3].Contains(patch % grid.Columns))
                            Assert.That(weight, Is.Zero);
                    }

                    // Each weight is rounded once, after a division by a sum that is rounded once.
                    Assert.That(sum, Is.EqualTo(1).Within(2.0 / (1 << 23)));
                }
            }
        }

        float[] gate = explanation.Gate.ToArray();
        Assert.That(gate, Has.Length.EqualTo(queryCount * 3 * 3).And.All.InRange(0, 1));
        for (int query = 0; query < queryCount; query++)
            for (int group = 0; group < 3; group++)
                Assert.That(Enumerable.Range(0, 3).Sum(scope => (double)gate[(((query * 3) + scope) * 3) + group]),
                    Is.EqualTo(1).Within(3.0 / (1 << 23)));
    }

    [Test]
    public void An_explanation_has_only_the_scopes_and_heads_there_are()
    {
        using Resampler resampler = Load();
        Explanation explanation = resampler.Explain(_features[0], s_grids[0]);

        Assert.That(() => explanation.Attention(0, 3).Length, Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => explanation.Attention(0, -1).Length, Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => explanation.Attention(3, 0).Length, Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => explanation.Attention(-1, 0).Length, Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void One_scope_has_gate_weights_of_one()
    {
        using TestModel model = new(Configs.Of(Configs.None));

        Explanation explanation = model.Engine.Explain(model.RandomFeatures(s_grids[0], 1), s_grids[0]);

        Assert.That(explanation.Gate.ToArray(), Is.EqualTo(new float[] { 1, 1, 1, 1, 1, 1 }));
        Assert.That((explanation.ScopeCount, explanation.GateGroupCount), Is.EqualTo((1, 1)));
    }
}
