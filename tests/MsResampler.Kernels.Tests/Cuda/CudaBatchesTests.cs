using MsResampler.Kernels.Forward;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Calls with many lists of grids: what a workspace keeps of a batch, and when it must not.</summary>
internal sealed class CudaBatchesTests : CudaModelFixture
{
    private const int OutOfMemory = 2;
    private const int LaunchOutOfResources = 701;

    private static readonly PatchGrid[][] s_batches = [.. Enumerable.Range(0, Workspace.MaxBatchCount + 1)
        .Select(index => index % 3 == 0 ? [new PatchGrid(5, 6), new PatchGrid(1, 1 + index)]
            : new[] { new PatchGrid(2 + (index % 3), 1 + (index / 3)) })];

    [SetUp]
    public void Attach() => AttachEmulator();

    [Test]
    public void A_dozen_lists_of_grids_in_turn_are_graph_launches_from_the_third_round_on(
        [Values(Precision.Float32, Precision.Float16)] Precision precision)
    {
        using Resampler resampler = Resampler.Load(Folder, With(precision));
        RunAll(resampler);
        float[][] expected = [.. s_batches[..12].Select(grids => Run(resampler, grids))];
        Rotate(round: 2);
        int live = MockDriver.LiveCount;
        // In 16 bits the factors of rows are copied too.
        int featureCopies = precision == Precision.Float16 ? 2 : 1;
        for (int round = 3; round <= 4; round++)
        {
            foreach (string[] calls in Rotate(round))
            {
                Assert.That(calls.GroupBy(call => call).Select(group => (group.Key, group.Count())),
                    Is.SupersetOf(new[] { ("cuMemcpyHtoDAsync", featureCopies), ("cuGraphLaunch", 1),
                        ("cuMemcpyDtoHAsync", 2) }));
                Assert.That(calls, Has.None.EqualTo("cuLaunchKernel").And.None.EqualTo("cuMemAlloc")
                    .And.None.EqualTo("cuMemFree").And.None.EqualTo("cuStreamBeginCapture"));
            }
        }

        Assert.That(MockDriver.LiveCount, Is.EqualTo(live));

        // The driver's calls for each batch.
        List<string[]> Rotate(int round)
        {
            List<string[]> result = [];
            for (int index = 0; index < expected.Length; index++)
            {
                int logged = MockDriver.Log().Length;
                Assert.That(Run(resampler, s_batches[index]), Is.EqualTo(expected[index]),
                    $"round {round}, batch {index}");
                result.Add([.. MockDriver.Log()[logged..].Select(line => line.Split(' ')[0])]);
            }

            return result;
        }
    }

    [Test]
    public void The_least_recently_used_batch_is_replaced_and_nothing_accumulates()
    {
        using Resampler resampler = Resampler.Load(Folder, With(Precision.Float32));
        RunAll(resampler);
        for (int round = 0; round < 2; round++)
            foreach (PatchGrid[] grids in s_batches[..^1])
                Run(resampler, grids);
        Assert.That(TableUploads(0), Is.Zero);
        int live = MockDriver.LiveCount;
        Assert.That(TableUploads(s_batches.Length - 1), Is.EqualTo(1), "a batch too many");
        Assert.That(MockDriver.LiveCount, Is.EqualTo(live - 1), "the graph of the batch that it replaces");
        Assert.That(TableUploads(0), Is.Zero, "it was used last");
        Assert.That(TableUploads(2), Is.Zero);
        Assert.That(TableUploads(1), Is.EqualTo(1), "it was replaced");
        for (int index = 0; index < s_batches.Length; index++)
            Run(resampler, s_batches[index]);
        for (int index = 0; index < s_batches.Length; index++)
            Assert.That(TableUploads(index), Is.EqualTo(1), "it is replaced before its turn comes again");
        Assert.That(MockDriver.LiveCount, Is.LessThan(live), "no batch is used twice, so that it gets a graph");

        int TableUploads(int index)
        {
            int uploads = MockDriver.Log("cuMemcpyHtoDAsync").Length;
            Run(resampler, s_batches[index]);
            return MockDriver.Log("cuMemcpyHtoDAsync").Length - uploads - 1;
        }
    }

    [Test]
    public void Batches_on_the_device_are_replaced_and_repeated_without_waiting()
    {
        using CudaCaller caller = new();
        using Resampler resampler = Resampler.Load(Folder, With(Precision.Float16));
        RunAll(resampler);
        byte[][] expected = [.. s_batches.Select(grids => DeviceArray.Encode(DeviceElementType.Float32,
            Run(resampler, grids)))];
        ulong[] features = [.. s_batches.Select(grids => caller.Allocate(4 * FeaturesOf(grids).Length))];
        ulong[] tokens = [.. s_batches.Select(grids => caller.Allocate(4 * TokenCountOf(grids)))];
        for (int index = 0; index < s_batches.Length; index++)
        {
            caller.Write(features[index], DeviceArray.Encode(DeviceElementType.Float32, FeaturesOf(s_batches[index])));
            caller.Read(features[index], 4);
        }

        // The first batch was replaced by the last one. It now replaces the second, which replaces the third.
        int[] order = [0, 1, 1, 16, 0, 15, 0, 1, 16, 15];
        int launched = Emulator.LaunchCount;
        int logged = MockDriver.Log().Length;
        foreach (int index in order)
        {
            int count = TokenCountOf(s_batches[index]);
            resampler.Resample(new DeviceTensor((nint)features[index], FeaturesOf(s_batches[index]).Length,
                DeviceElementType.Float32), s_batches[index], new DeviceTensor((nint)tokens[index], count,
                DeviceElementType.Float32), caller.Stream);
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(Emulator.LaunchCount, Is.EqualTo(launched), "the driver was made to work");
            string[] calls = [.. MockDriver.Log()[logged..].Select(line => line.Split(' ')[0])];
            Assert.That(calls, Has.Exactly(2).EqualTo("cuMemcpyHtoDAsync"), "the tables of 0 and 1");
            Assert.That(calls, Has.Exactly(order.Length - order.Distinct().Count()).EqualTo("cuGraphLaunch"));
        }

        foreach (int index in order.Distinct())
        {
            Assert.That(caller.Read(tokens[index], expected[index].Length), Is.EqualTo(expected[index]),
                $"batch {index}");
        }
    }

    [Test]
    public void Activations_that_grow_take_the_graphs_of_other_batches_with_them(
        [Values(Precision.Float32, Precision.Float16)] Precision precision)
    {
        using Resampler resampler = Resampler.Load(Folder, With(precision));
        PatchGrid[] small = [new(3, 3)];
        float[] expected = Run(resampler, small);
        for (int side = 4; side < 7; side++)
        {
            for (int call = 0; call < 3; call++)
                Assert.That(Run(resampler, small), Is.EqualTo(expected), $"before {side}x{side} patches");
            int freed = MockDriver.Log("cuMemFree").Length;
            Run(resampler, [new(side, side), .. small]);
            Assert.That(MockDriver.Log("cuMemFree"), Has.Length.GreaterThan(freed), "memory grows");
        }
    }

    [TestCase(1)]
    [TestCase(2)]
    public void A_lack_of_memory_for_a_batch_leaves_the_model_usable(int allocation)
    {
        using Resampler resampler = Resampler.Load(Folder, With(Precision.Float32));
        // The grids are known, and the batch needs more memory for activations and for tables.
        PatchGrid[] large = [.. Enumerable.Repeat(s_batches[0], 9).SelectMany(grids => grids)];
        float[][] expected = [.. s_batches[..4].Select(grids => Run(resampler, grids))];
        MockDriver.Fail("cuMemAlloc", OutOfMemory, allocation);
        Assert.That(() => Run(resampler, large), Throws.TypeOf<DeviceException>()
            .With.Message.Contains("cuMemAlloc failed with CUDA_ERROR_OUT_OF_MEMORY"));
        for (int index = 0; index < expected.Length; index++)
            Assert.That(Run(resampler, s_batches[index]), Is.EqualTo(expected[index]));
        Assert.That(Run(resampler, large), Is.EqualTo(
            Enumerable.Repeat(expected[0], 9).SelectMany(tokens => tokens)));
    }

    [TestCase("cuMemcpyHtoDAsync")]
    [TestCase("cuMemsetD8Async")]
    [TestCase("cuLaunchKernel")]
    [TestCase("cuMemcpyDtoHAsync")]
    [TestCase("cuEventRecord")]
    public void A_failing_driver_call_among_several_batches_leaves_the_model_usable(string call)
    {
        float[][] expected;
        using (Resampler resampler = Resampler.Load(Folder, With(Precision.Float32)))
            expected = [.. s_batches[..3].Select(grids => Run(resampler, grids))];
        FailEachUse(nth =>
        {
            AttachEmulator();
            bool hasFailed = false;
            using (Resampler resampler = Resampler.Load(Folder, With(Precision.Float32)))
            {
                Run(resampler, s_batches[0]);
                Run(resampler, s_batches[1]);
                MockDriver.Fail(call, LaunchOutOfResources, nth);
                foreach (int index in (int[])[0, 2, 1, 0])
                {
                    try
                    {
                        Assert.That(Run(resampler, s_batches[index]), Is.EqualTo(expected[index]), $"use {nth}");
                    }
                    catch (DeviceException)
                    {
                        hasFailed = true;
                        Assert.That(Run(resampler, s_batches[index]), Is.EqualTo(expected[index]), $"use {nth}");
                    }
                }

                hasFailed |= MockDriver.Log(call).Any(line => line.Contains(" fails with "));
            }

            AssertNothingIsLeft();
            return hasFailed;
        });
    }

    private static ResamplerOptions With(Precision precision)
        => new() { Backend = CudaBackend.ForPrimaryContext(0), Precision = precision };

    private static int TokenCountOf(PatchGrid[] grids) => grids.Length * 9 * 12;

    /// <summary>The features of a batch; those of an image depend only on its size.</summary>
    private float[] FeaturesOf(PatchGrid[] grids)
        => [.. grids.SelectMany(grid => Features.Take((int)grid.PatchCount * 20))];

    /// <summary>Computes all images as one batch, after which all grids are known and no other batch needs more
    /// memory.</summary>
    private void RunAll(Resampler resampler) => Run(resampler, [.. s_batches.SelectMany(grids => grids)]);

    private float[] Run(Resampler resampler, PatchGrid[] grids)
    {
        float[] tokens = new float[TokenCountOf(grids)];
        resampler.Resample(FeaturesOf(grids), grids, tokens);
        return tokens;
    }
}
