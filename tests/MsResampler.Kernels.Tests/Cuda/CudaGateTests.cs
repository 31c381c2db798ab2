namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Gate weights through the driver, of which the mock passes launches and copies to the PTX
/// emulator.</summary>
internal sealed class CudaGateTests : CudaModelFixture
{
    [SetUp]
    public void Attach() => AttachEmulator();

    /// <summary>The second call records a graph, which later calls launch for other arrays.</summary>
    [Test]
    public void A_batch_has_the_gate_weights_of_explanations_and_its_graph_is_that_of_calls_without(
        [Values(Precision.Float32, Precision.Float16)] Precision precision)
    {
        using Resampler resampler = Resampler.Load(Folder, Options with { Precision = precision });
        float[][] expected = new float[Grids.Length][];
        int first = 0;
        for (int image = 0; image < Grids.Length; image++)
        {
            int length = resampler.FeatureLength(Grids[image]);
            expected[image] = resampler.Explain(Features.AsSpan(first, length), Grids[image]).Gate.ToArray();
            first += length;
        }

        float[] alone = Run(resampler);
        Run(resampler);
        for (int call = 0; call < 3; call++)
        {
            float[] tokens = new float[TokenCount];
            float[] gate = new float[resampler.GateLength(Grids.Length)];
            int graphs = MockDriver.Log("cuGraphLaunch").Length;
            int captures = MockDriver.Log("cuStreamBeginCapture").Length;

            resampler.Resample(Features, new FrameGroups(Grids), tokens, gate);

            Assert.That(gate.Chunk(gate.Length / Grids.Length), Is.EqualTo(expected), $"call {call}");
            Assert.That(tokens, Is.EqualTo(alone), $"call {call}");
            Assert.That(MockDriver.Log("cuGraphLaunch"), Has.Length.EqualTo(graphs + 1));
            Assert.That(MockDriver.Log("cuStreamBeginCapture"), Has.Length.EqualTo(captures));
        }

        Assert.That(Run(resampler), Is.EqualTo(alone));
    }
}
