using MsResampler.Kernels.Forward;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Parity;

/// <summary>The tokens of an image have the same bits for any batch, order of images and order of execution on the
/// device.</summary>
public class BatchInvarianceTests
{
    private static readonly PatchGrid[] s_grids = [new(11, 7), new(4, 19), new(11, 7), new(1, 1), new(13, 13)];

    private static TestModel Model() => new(Configs.Of(Configs.Window(3, 4), Configs.Gaussian(2, 3), Configs.None) with
    {
        QueryGrid = new QueryGrid(5, 6),
        PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.SinCos2D),
    }, new() { LearnedSigmaScopes = [1] });

    [Test]
    public void Batch_order_seed_and_grouping_do_not_change_the_bits([Values] bool isGpuArithmetic)
    {
        EmulatorOptions? arithmetic = isGpuArithmetic ? EmulatorDevice.GpuArithmetic : null;
        using TestModel model = Model();
        float[][] alone = [.. s_grids.Select((_, image)
            => Resample(model, [image], 0, 1L << 30, arithmetic, out int _)[0])];
        using (Assert.EnterMultipleScope())
        {
            foreach (int[] order in new int[][] { [0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0], [3, 3, 3] })
            {
                foreach (ulong seed in new ulong[] { 1, 2 })
                {
                    float[][] batch = Resample(model, order, seed, 1L << 30, arithmetic,
                        out int attentionLaunches);
                    Assert.That(batch, Is.EqualTo(order.Select(image => alone[image])), $"{string.Join(',', order)}");
                    Assert.That(attentionLaunches, Is.EqualTo(1), "one launch for all images, scopes and heads");
                }
            }

            // The workspace may use 1/16 of the memory, which holds a few images; the grid cache 1/64, which holds a
            // few grids.
            float[][] split = Resample(model, [0, 1, 2, 3, 4, 4, 1], 3, 3 << 20, arithmetic, out int launches);
            Assert.That(split, Is.EqualTo(new[] { 0, 1, 2, 3, 4, 4, 1 }.Select(image => alone[image])));
            Assert.That(launches, Is.GreaterThan(1), "the batch is split into groups");
        }
    }

    /// <summary>Products choose their tile by the batch.</summary>
    [TestCase(Precision.Float16, true)]
    [TestCase(Precision.BFloat16, false)]
    public void On_Hopper_neither_the_batch_nor_its_tiles_change_the_bits(Precision precision, bool isGpuArithmetic)
    {
        EmulatorOptions? arithmetic = isGpuArithmetic ? EmulatorDevice.GpuArithmetic : null;
        using TestModel model = Model();
        HashSet<string> kernels = [];
        float[][] alone = [.. s_grids.Select((_, image) => Run(0, image)[0])];
        using (Assert.EnterMultipleScope())
        {
            foreach (int[] order in new int[][] { [0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3, 3, 3], [.. Repeat(4, 9), 1] })
                Assert.That(Run((ulong)order.Length, order), Is.EqualTo(order.Select(image => alone[image])),
                    $"{string.Join(',', order)}");
        }

        Assert.That(kernels.Where(kernel => kernel.StartsWith("GemmWgmma ", StringComparison.Ordinal))
            .Select(kernel => kernel.Split(' ')[1]).Distinct().Count(), Is.GreaterThan(2), "tiles");

        static IEnumerable<int> Repeat(int image, int count) => Enumerable.Repeat(image, count);

        float[][] Run(ulong seed, params int[] images)
        {
            EmulatorDevice device = EmulatorDevice.WithTensorCores(isHopper: true, seed, arithmetic);
            float[][] tokens = Resample(model, images, device, new() { Precision = precision });
            kernels.UnionWith(device.Reports.Select(report => report.Kernel));
            return tokens;
        }
    }

    /// <summary>All batches have two images of 24 patches: one engine keeps their buffers, tables and graphs in the
    /// same workspace.</summary>
    [Test]
    public void Earlier_calls_with_other_grids_do_not_change_the_bits(
        [Values(Precision.Float32, Precision.BFloat16)] Precision precision)
    {
        using TestModel model = Model();
        PatchGrid[][] batches = [[new(4, 6), new(6, 4)], [new(6, 4), new(4, 6)], [new(3, 8), new(4, 6)]];
        using GpuEngine engine = Create();
        using (Assert.EnterMultipleScope())
        {
            foreach (int batch in new[] { 0, 0, 1, 0, 1, 1, 2, 0, 2, 2, 1 })
            {
                using GpuEngine fresh = Create();
                Assert.That(Tokens(engine, batches[batch]), Is.EqualTo(Tokens(fresh, batches[batch])), $"{batch}");
            }
        }

        GpuEngine Create() => new(new EmulatorDevice(architecture: 80), EmulatorHost.Compiler, model.Model,
            new ResamplerOptions { Precision = precision });

        float[] Tokens(GpuEngine of, PatchGrid[] grids)
        {
            ResamplerConfig config = model.Model.Config;
            float[] tokens = new float[grids.Length * config.QueryGrid.QueryCount * config.OutputSize];
            of.Resample([.. grids.SelectMany((grid, image) => model.RandomFeatures(grid, image))], grids, tokens,
                CancellationToken.None);
            return tokens;
        }
    }

    private static float[][] Resample(TestModel model, int[] images, ulong seed, long memoryBytes,
        EmulatorOptions? arithmetic, out int attentionLaunches)
    {
        EmulatorDevice device = new(seed, memoryBytes, arithmetic: arithmetic);
        float[][] tokens = Resample(model, images, device, new());
        attentionLaunches = device.Reports.Count(launch => launch.Kernel.StartsWith("ScopeAttention",
            StringComparison.Ordinal));
        return tokens;
    }

    private static float[][] Resample(TestModel model, int[] images, EmulatorDevice device, ResamplerOptions options)
    {
        using GpuEngine engine = new(device, EmulatorHost.Compiler, model.Model, options);
        int length = model.Model.Config.QueryGrid.QueryCount * model.Model.Config.OutputSize;
        float[] tokens = new float[images.Length * length];
        engine.Resample([.. images.SelectMany(image => model.RandomFeatures(s_grids[image], image))],
            [.. images.Select(image => s_grids[image])], tokens, CancellationToken.None);
        return [.. tokens.Chunk(length)];
    }
}
