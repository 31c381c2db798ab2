using System.Runtime.Intrinsics;
using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using Engine = MsResampler.Cpu.CpuEngine<MsResampler.Cpu.Simd.SimdScalar, float>;

namespace MsResampler.Tests.Cpu;

/// <summary>The entries of the grid cache are shared, bounded in total size, counted by the memory that they hold,
/// and never freed while a call uses them.</summary>
[NonParallelizable]
public class GridCacheTests
{
    /// <summary>Two hundred different grids of up to 24 patches a side, in random order.</summary>
    internal static PatchGrid[] RaggedGrids { get; } = [.. Enumerable.Range(0, 200).Select(index => index * 77 % 200)
        .Select(index => new PatchGrid(5 + (index % 20), 4 + (2 * (index / 20)) + (index % 2)))];

    /// <summary>The dependencies of operands: the query side on anchors, keys on a stored table, sigmas on the
    /// head.</summary>
    private static readonly ResamplerConfig[] s_configs =
    [
        Configs.Mixed,
        Configs.Mixed with { PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.SinCos2D) },
        Configs.Mixed with { PositionEmbedding = new(PositionEmbeddingType.Stored, PositionEmbeddingType.Stored) },
    ];

    private static Engine Load(TestModel model, long bytes, int threadCount = 2) => new("test", model.Model,
        new ResamplerOptions { ThreadCount = threadCount, GridCacheBytes = bytes });

    private static TestModel Model(int config)
        => new(s_configs[config], new RandomModelOptions { LearnedSigmaScopes = [1] });

    private static int TokenCount => Configs.Mixed.QueryGrid.QueryCount * Configs.Mixed.OutputSize;

    private static float[] Resample(Engine engine, TestModel model, params PatchGrid[] grids)
    {
        float[] tokens = new float[grids.Length * TokenCount];
        engine.Resample([.. grids.SelectMany(grid => model.RandomFeatures(grid, grid.Columns))], grids, tokens,
            default);
        return tokens;
    }

    [Test]
    public void The_test_has_two_hundred_different_grids()
        => Assert.That(RaggedGrids.Distinct().ToArray(), Has.Length.EqualTo(200));

    [Test]
    public void Evicted_and_recreated_grids_have_the_same_bits([Range(0, 2)] int config,
        [Values(0, 40_000, 1 << 28)] long bytes)
    {
        using TestModel model = Model(config);
        using Engine fresh = Load(model, 1L << 40);
        using Engine engine = Load(model, bytes);
        PatchGrid[] grids = RaggedGrids[..24];
        float[][] expected = [.. grids.Select(grid => Resample(fresh, model, grid))];

        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, caller =>
        {
            Random random = new(caller);
            for (int call = 0; call < 12; call++)
            {
                int[] images = [.. Enumerable.Range(0, random.Next(1, 6)).Select(_ => random.Next(grids.Length))];
                float[] tokens = Resample(engine, model, [.. images.Select(image => grids[image])]);
                for (int index = 0; index < images.Length; index++)
                    Assert.That(Values.Bits(tokens.AsSpan(index * TokenCount, TokenCount)),
                        Is.EqualTo(Values.Bits(expected[images[index]])), $"{grids[images[index]]}");
            }
        });
    }

    [Test]
    public void The_least_recently_used_grids_are_evicted_first([Range(0, 2)] int config)
    {
        using TestModel model = Model(config);
        using Engine measured = Load(model, 1L << 40);
        Resample(measured, model, RaggedGrids[..2]);
        long few = measured.Grids.OperandBytes;
        Resample(measured, model, RaggedGrids);
        long bytes = (few + measured.Grids.OperandBytes) / 2;
        using Engine engine = Load(model, bytes);
        // It is used again and again, so it is never the least recently used grid.
        PatchGrid favourite = RaggedGrids[0];
        GridOperands kept = engine.Grids.Acquire(favourite);
        engine.Grids.Release(kept);

        foreach (PatchGrid grid in RaggedGrids)
        {
            Resample(engine, model, grid);
            GridOperands again = engine.Grids.Acquire(favourite);
            Assert.That(again, Is.SameAs(kept));
            engine.Grids.Release(again);
        }

        Assert.That(engine.Grids.Count, Is.InRange(5, 199));
        // The total also includes the plans (up to 4 MiB) and the memory of the last evicted grid.
        Assert.That(engine.Grids.OperandBytes, Is.LessThanOrEqualTo(bytes));
        Assert.That(engine.Grids.Bytes, Is.LessThanOrEqualTo((2 * bytes) + (4 << 20)));
    }

    [Test]
    public void The_newest_grid_is_kept_even_if_it_exceeds_the_limit([Range(0, 2)] int config)
    {
        using TestModel model = Model(config);
        using Engine engine = Load(model, 0);
        foreach (PatchGrid grid in RaggedGrids[..5])
        {
            GridOperands made = engine.Grids.Acquire(grid);
            GridOperands again = engine.Grids.Acquire(grid);
            Assert.That(again, Is.SameAs(made));
            Assert.That(engine.Grids.Count, Is.EqualTo(1));
            // A part that it shares with evicted grids is counted once, as long as it is held.
            Assert.That(engine.Grids.OperandBytes, Is.EqualTo(made.Parts.Distinct().Sum(part => part.Bytes)));
            engine.Grids.Release(made);
            engine.Grids.Release(again);
        }
    }

    [Test]
    public void Memory_of_a_running_call_is_not_reused_for_another_grid()
    {
        using TestModel model = Model(1);
        using Engine engine = Load(model, 0);
        GridOperands held = engine.Grids.Acquire(RaggedGrids[0]);
        float[] before = Contents(held);

        for (int grid = 1; grid < 30; grid++)
            engine.Grids.Release(engine.Grids.Acquire(RaggedGrids[grid]));

        Assert.That(Values.Bits(Contents(held)), Is.EqualTo(Values.Bits(before)));
        engine.Grids.Release(held);
        GridOperands next = engine.Grids.Acquire(RaggedGrids[40]);
        Assert.That(next.Parts.Select(part => part.Memory).Intersect(held.Parts.Select(part => part.Memory)),
            Is.Not.Empty,
            "memory is reused after its last reader");
        engine.Grids.Release(next);

        static float[] Contents(GridOperands grid) => [.. grid.Parts.SelectMany(part => part.Memory.Span.ToArray())];
    }

    [Test]
    public void Grids_share_the_parts_that_do_not_depend_on_the_grid()
    {
        using TestModel model = Model(0);
        using Engine engine = Load(model, 1L << 30);
        GridOperands[] grids = [.. new PatchGrid[] { new(24, 24), new(24, 16), new(16, 24), new(16, 16) }
            .Select(engine.Grids.Acquire)];

        GridPart[] parts = [.. grids.SelectMany(grid => grid.Parts).Distinct()];
        foreach (GridPart part in parts)
        {
            PartKey key = part.Key;
            Assert.That(key.Rows == 0 || key.Columns == 0, $"{key} depends on one axis at most");
            Assert.That(parts.Count(other => other.Key == key), Is.EqualTo(1), $"{key} is there once");
        }

        // Without a window only the positions depend on the grid.
        Assert.That(parts.Where(part => part.Key.Scope == 2).Select(part => part.Key.Kind),
            Is.SubsetOf(new[] { PartKind.TiledQueries, PartKind.FoldedQueries }));
        foreach (GridOperands grid in grids)
            engine.Grids.Release(grid);
    }

    [Test]
    public void Two_hundred_grids_fit_and_their_size_is_counted([Range(0, 2)] int config)
    {
        using TestModel model = Model(config);
        using Engine engine = Load(model, new ResamplerOptions().GridCacheBytes, threadCount: 1);
        engine.Grids.Release(engine.Grids.Acquire(new PatchGrid(2, 2)));
        long before = GC.GetTotalMemory(forceFullCollection: true);
        long counted = engine.Grids.Bytes;

        foreach (PatchGrid grid in RaggedGrids)
            engine.Grids.Release(engine.Grids.Acquire(grid));

        long held = GC.GetTotalMemory(forceFullCollection: true) - before;
        counted = engine.Grids.Bytes - counted;
        Assert.That(engine.Grids.Count, Is.EqualTo(201));
        TestContext.Out.WriteLine($"{held:N0} bytes held, {counted:N0} counted");
        // The operands are small, so that headers and lists, whose size is estimated, dominate.
        Assert.That(counted, Is.InRange(held * 0.7, held * 1.3));
    }

    /// <summary>The model of the README with 200 grids: separate operands for each grid would take a
    /// gigabyte.</summary>
    [Test]
    public void Two_hundred_grids_of_a_large_model_share_most_memory()
    {
        ResamplerConfig config = Configs.Mixed with
        {
            HiddenSize = 512,
            AttentionHeadCount = 8,
            QueryGrid = new QueryGrid(12, 12),
        };
        using TestModel model = new(config);
        using CpuEngine<Simd128, Vector128<float>> engine = new("test", model.Model, new ResamplerOptions());
        long first = 0;
        foreach (PatchGrid grid in RaggedGrids)
        {
            engine.Grids.Release(engine.Grids.Acquire(grid));
            if (first == 0)
                first = engine.Grids.Bytes;
        }

        TestContext.Out.WriteLine($"one grid {first:N0} bytes, two hundred {engine.Grids.Bytes:N0}");
        Assert.That(engine.Grids.Count, Is.EqualTo(200));
        Assert.That(engine.Grids.Bytes, Is.LessThan(64L << 20));
    }
}
