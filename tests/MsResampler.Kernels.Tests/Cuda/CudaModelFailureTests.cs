namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>The driver calls while a model is loaded and used, and the objects that are left after a failure. Kernels
/// do not run.</summary>
internal sealed class CudaModelFailureTests : CudaModelFixture
{
    private const int OutOfMemory = 2;
    private const int LaunchOutOfResources = 701;
    private const int IllegalAddress = 700;

    [Test]
    public void A_model_leaves_no_objects_and_uses_only_its_own_streams()
    {
        using (Resampler resampler = Resampler.Load(Folder, Options))
        {
            Run(resampler);
            Assert.That(resampler.Description, Does.Contain("Mock GPU (sm_80)"));
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(MockDriver.Log("cuLaunchKernel"), Is.Not.Empty);
            Assert.That(MockDriver.Log("cuStreamCreate"), Is.Not.Empty.And.All.Contains(" flags=1 "));
            Assert.That(MockDriver.LiveCount, Is.Zero);
        }
    }

    [Test]
    public void Warm_calls_allocate_no_memory_and_load_no_modules()
    {
        using Resampler resampler = Resampler.Load(Folder, Options);
        Run(resampler);
        // The second call of a shape records a graph.
        Run(resampler);
        string[] before = Created();
        Run(resampler);
        Assert.That(Created(), Is.EqualTo(before));

        static string[] Created() => [.. MockDriver.Log()
            .Where(line => line.StartsWith("cuMemAlloc", StringComparison.Ordinal)
            || line.StartsWith("cuModule", StringComparison.Ordinal)
            || line.StartsWith("cuStreamCreate", StringComparison.Ordinal))];
    }

    [Test]
    public void A_repeated_call_is_a_single_graph_launch(
        [Values(Precision.Float32, Precision.Float16)] Precision precision)
    {
        AttachEmulator();
        using Resampler resampler = Resampler.Load(Folder,
            new ResamplerOptions { Backend = CudaBackend.Default, Precision = precision });
        Run(resampler);
        Assert.That(MockDriver.Log("cuGraphLaunch"), Is.Empty, "the first call of a shape uses no graph");
        int before = MockDriver.Log("cuLaunchKernel").Length;
        Run(resampler);
        int recorded = MockDriver.Log("cuLaunchKernel").Length;
        for (int call = 0; call < 3; call++)
            Run(resampler);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(MockDriver.Log("cuLaunchKernel"), Has.Length.EqualTo(recorded));
            Assert.That(MockDriver.Log("cuStreamBeginCapture"), Has.Length.EqualTo(1));
            Assert.That(MockDriver.Log("cuGraphLaunch"), Has.Length.EqualTo(4).And.All
                .StartsWith($"cuGraphLaunch launches={recorded - before} "));
        }
    }

    [TestCase("cuStreamCreate")]
    [TestCase("cuStreamBeginCapture")]
    [TestCase("cuLaunchKernel")]
    [TestCase("cuStreamEndCapture")]
    [TestCase("cuGraphInstantiate")]
    [TestCase("cuGraphLaunch")]
    public void A_failing_graph_call_is_silent_and_keeps_the_tokens(string call)
    {
        AttachEmulator();
        using Resampler resampler = Resampler.Load(Folder, Options);
        float[] expected = Run(resampler);
        MockDriver.Fail(call, LaunchOutOfResources);
        using (Assert.EnterMultipleScope())
        {
            for (int round = 0; round < 3; round++)
                Assert.That(Run(resampler), Is.EqualTo(expected), $"round {round}");
            Assert.That(MockDriver.Log(call), Has.One.EqualTo($"{call} fails with {LaunchOutOfResources}"));
        }
    }

    [Test]
    public void Concurrent_calls_have_separate_streams_from_a_bounded_pool()
    {
        using Resampler resampler = Resampler.Load(Folder, Options);
        Thread[] threads = [.. Enumerable.Range(0, 12).Select(_ => new Thread(() =>
        {
            for (int round = 0; round < 5; round++)
                Run(resampler);
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Assert.That(StreamsOf("cuStreamCreate").Except(StreamsOf("cuStreamDestroy")).Count(), Is.InRange(1, 4));

        static IEnumerable<string> StreamsOf(string call)
            => MockDriver.Log(call).Select(line => line.Split(' ', '=')[^1]);
    }

    [TestCase("cuMemAlloc", OutOfMemory)]
    [TestCase("cuMemAllocHost", OutOfMemory)]
    [TestCase("cuModuleLoadDataEx", 218, 3, Description = "cached machine code, new machine code and text")]
    [TestCase("cuMemcpyHtoDAsync", LaunchOutOfResources)]
    [TestCase("cuLaunchKernel", LaunchOutOfResources)]
    public void A_failing_driver_call_while_loading_leaves_no_objects(string call, int code, int failureCount = 1)
        => FailEach(call, code, failAfterLoading: false, failureCount);

    [TestCase("cuMemAlloc", OutOfMemory)]
    [TestCase("cuMemcpyHtoDAsync", LaunchOutOfResources)]
    [TestCase("cuLaunchKernel", LaunchOutOfResources)]
    [TestCase("cuStreamSynchronize", LaunchOutOfResources)]
    public void A_failing_driver_call_leaves_the_model_usable(string call, int code)
        => FailEach(call, code, failAfterLoading: true);

    [Test]
    public void A_crashing_kernel_ends_the_model_cleanly()
    {
        using (Resampler resampler = Resampler.Load(Folder, Options))
        {
            Run(resampler);
            MockDriver.Fail("cuEventSynchronize", IllegalAddress, isSticky: true);
            Assert.That(() => Run(resampler), Throws.TypeOf<DeviceException>()
                .With.Message.Match(
                    "^CUDA device 0 .*: cuEventSynchronize failed with CUDA_ERROR_ILLEGAL_ADDRESS \\(700\\)")
                .And.Property(nameof(DeviceException.IsDeviceLost)).True);
            Assert.That(() => Run(resampler), Throws.TypeOf<DeviceException>()
                .With.Message.StartsWith("the device failed earlier"));
        }

        Assert.That(MockDriver.LiveCount, Is.Zero);
        MockDriver.Reset();
    }

    /// <summary>After the failure, no memory is freed while work is queued that may use it.</summary>
    private static void AssertWorkEndsBeforeItsMemory()
    {
        string[] log = MockDriver.Log();
        int failed = Array.FindIndex(log, line => line.Contains(" fails with "));
        int freed = Array.FindIndex(log, failed, line => line.StartsWith("cuMemFree", StringComparison.Ordinal));
        string[] before = freed < 0 ? [] : log[..freed];
        int queued = Array.FindLastIndex(before, line => line.StartsWith("cuMemcpy", StringComparison.Ordinal)
            || line.StartsWith("cuLaunch", StringComparison.Ordinal));
        Assert.That(Array.FindLastIndex(before, line => line.StartsWith("cuStreamSync", StringComparison.Ordinal)),
            Is.GreaterThanOrEqualTo(queued));
    }

    private void FailEach(string call, int code, bool failAfterLoading, int failureCount = 1) => FailEachUse(nth =>
    {
        bool hasFailed = false;
        for (int failure = 0; failure < failureCount && !failAfterLoading; failure++)
            MockDriver.Fail(call, code, nth);
        try
        {
            using Resampler resampler = Resampler.Load(Folder, Options);
            if (failAfterLoading)
            {
                MockDriver.Fail(call, code, nth);
                hasFailed = IsReported(() => Run(resampler));
                if (hasFailed)
                    Run(resampler);
            }
        }
        catch (DeviceException exception) when (!failAfterLoading)
        {
            hasFailed = IsReported(() => throw exception);
        }

        AssertNothingIsLeft();
        if (hasFailed)
            AssertWorkEndsBeforeItsMemory();
        return hasFailed;

        bool IsReported(Action action)
        {
            try
            {
                action();
                return false;
            }
            catch (DeviceException exception)
            {
                Assert.That(exception.Message,
                    Does.Contain($": {call} failed with CUDA_ERROR").And.Contain($"({code})"));
                return true;
            }
        }
    });
}
