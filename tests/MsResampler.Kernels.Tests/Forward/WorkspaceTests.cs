using MsResampler.Kernels.Forward;

namespace MsResampler.Kernels.Tests.Forward;

/// <summary>What a workspace keeps of earlier calls is not used once it is out of date.</summary>
[Parallelizable(ParallelScope.All)]
public class WorkspaceTests
{
    private static readonly PatchGrid[] s_grids = [new(3, 4), new(2, 5)];
    private static readonly PatchGrid s_large = new(60, 60);

    /// <summary>Features of 13 channels are padded in every precision, and the note of an overflow lies at another
    /// address for every batch.</summary>
    private static ResamplerConfig Config => Configs.Of(Configs.Window(2, 2), Configs.None) with
    {
        VisionHiddenSize = 13,
        OutputSize = 11,
    };

    [Test]
    public void Tables_and_graphs_are_not_used_after_their_arena_was_replaced(
        [Values(Precision.Float32, Precision.Float16)] Precision precision)
    {
        using TestModel model = new(Config);
        // Arenas have 256 KiB, which is too little for the operands of the large grid and others.
        EmulatorDevice inner = new(memoryBytes: 16 << 20, architecture: 80);
        ObservedDevice device = new(inner);
        using GpuEngine engine = Engine(model, device, precision);
        float[][] features = [.. s_grids.Select(grid => model.RandomFeatures(grid, 1))];
        float[][] expected = [.. s_grids.Select((grid, index) => Run(engine, features[index], grid))];
        Repeat();
        // A call stops in its workspace, so that the next one has another.
        using ManualResetEventSlim isHeld = new(), isReplaced = new();
        device.Before = operation =>
        {
            device.Before = _ => { };
            isHeld.Set();
            isReplaced.Wait();
        };
        Task<float[]> held = Task.Run(() => Run(engine, features[0], s_grids[0]));
        isHeld.Wait();
        Run(engine, model.RandomFeatures(s_large, 2), s_large);
        isReplaced.Set();
        Assert.That(held.Result, Is.EqualTo(expected[0]));
        int uploads = device.Counts["upload"];
        Repeat();
        Assert.That(device.Counts["upload"] - uploads, Is.GreaterThan(4), "tables and features, and operands");
        Repeat();

        void Repeat()
        {
            for (int index = 0; index < s_grids.Length; index++)
                Assert.That(Run(engine, features[index], s_grids[index]), Is.EqualTo(expected[index]));
        }
    }

    private static GpuEngine Engine(TestModel model, IDevice device, Precision precision)
        => new(device, EmulatorHost.Compiler, model.Model, new() { Precision = precision });

    private static float[] Run(GpuEngine engine, float[] features, params PatchGrid[] grids)
    {
        float[] tokens = new float[grids.Length * 9 * 11];
        engine.Resample(features, grids, tokens, CancellationToken.None);
        return tokens;
    }
}
