using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using MsResampler.Kernels.Forward;
using CudaDevice = MsResampler.Kernels.Device.Cuda.CudaDevice;
using CudaLibrary = MsResampler.Kernels.Device.Cuda.CudaLibrary;
using CudaNative = MsResampler.Kernels.Device.Cuda.CudaNative;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Calls with features and tokens on the device, on a driver that performs work only when something waits
/// for it. Work without an order runs in the wrong order.</summary>
internal sealed class ResamplerCudaExtensionsTests : CudaModelFixture
{
    private const int LaunchOutOfResources = 701;
    private const int IllegalAddress = 700;
    private const DeviceElementType Single = DeviceElementType.Float32;
    private const DeviceElementType Half = DeviceElementType.Float16;

    [SetUp]
    public void Attach() => AttachEmulator();

    [TestCase(Precision.Float32, Single, Single)]
    [TestCase(Precision.Float16, Single, Half)]
    [TestCase(Precision.Float16, Half, Single)]
    [TestCase(Precision.BFloat16, DeviceElementType.BFloat16, DeviceElementType.BFloat16)]
    public void Work_follows_the_order_of_the_stream_of_the_caller(Precision precision, DeviceElementType featureType,
        DeviceElementType tokenType)
    {
        using Resampler resampler = Resampler.Load(Folder, Primary(precision));
        DeviceTensorCheck.Run(resampler, Features, Grids, featureType, tokenType);
    }

    [Test]
    public void A_warm_call_is_enqueued_between_two_waits_without_blocking([Values] bool isNullStream)
    {
        using CudaCaller caller = new();
        nint stream = isNullStream ? 0 : caller.Stream;
        using Resampler resampler = Resampler.Load(Folder, Primary());
        (DeviceTensor features, DeviceTensor tokens) = Tensors(caller);
        // The read waits for the caller's stream, so that the call may use the NULL stream.
        caller.Read((ulong)features.Address, 4);
        resampler.Resample(features, Grids, tokens, stream);
        resampler.Resample(features, Grids, tokens, stream);
        (int logged, int launched) = (MockDriver.Log().Length, Emulator.LaunchCount);

        resampler.Resample(features, Grids, tokens, stream);

        string own = MockDriver.Log("cuGraphLaunch")[^1].Split('=')[^1];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(MockDriver.Log()[logged..], Is.EqualTo(new[]
            {
                $"cuStreamWaitEvent stream={own} event-of={stream:x}",
                $"cuMemcpyDtoDAsync size={features.Count * 4} stream={own}",
                MockDriver.Log("cuGraphLaunch")[^1],
                $"cuMemcpyDtoDAsync size={tokens.Count * 4} stream={own}",
                $"cuStreamWaitEvent stream={stream:x} event-of={own}",
            }));
            Assert.That(Emulator.LaunchCount, Is.EqualTo(launched), "the driver was made to work");
        }
    }

    [Test]
    public void Callers_with_separate_streams_call_concurrently(
        [Values(Precision.Float32, Precision.Float16)] Precision precision)
    {
        using Resampler resampler = Resampler.Load(Folder, Primary(precision));
        byte[] expected = DeviceArray.Encode(Single, Run(resampler));
        byte[][] found = new byte[3 * 4][];
        Thread[] threads = [.. Enumerable.Range(0, 3).Select(thread => new Thread(() =>
        {
            using CudaCaller caller = new();
            (DeviceTensor features, DeviceTensor tokens) = Tensors(caller);
            for (int round = 0; round < 4; round++)
            {
                resampler.Resample(features, Grids, tokens, caller.Stream);
                found[(4 * thread) + round] = caller.Read((ulong)tokens.Address, expected.Length);
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Assert.That(found, Is.All.EqualTo(expected));
    }

    [Test]
    public void Groups_of_frames_have_the_bits_of_the_host()
    {
        using CudaCaller caller = new();
        (DeviceTensor features, DeviceTensor tokens) = Tensors(caller);
        using Resampler resampler = Resampler.Load(Folder, Primary());
        int[] ids = [.. Grids.Select((_, frame) => frame)];
        tokens = tokens with { Count = TokenCount / Grids.Length };
        float[] expected = new float[tokens.Count];
        resampler.Resample(Features, new FrameGroups(Grids, ids, [Grids.Length]), expected);
        for (int call = 0; call < 3; call++)
        {
            resampler.Resample(features, new FrameGroups(Grids, ids, [Grids.Length]), tokens, caller.Stream);
            Assert.That(caller.Read((ulong)tokens.Address, 4 * expected.Length),
                Is.EqualTo(DeviceArray.Encode(Single, expected)), $"call {call}");
        }

        Assert.That(() => resampler.Resample(features, new FrameGroups(Grids, ids, [1, Grids.Length - 1]), tokens,
            caller.Stream), Throws.ArgumentException);
    }

    [Test]
    public void Grid_tables_are_kept_until_a_pending_call_is_done()
    {
        // Tables may use 1/64 of the memory: 256 KiB, which two of the grids fill.
        MockDriver.SetDevice(0, "Small", memoryBytes: 16 << 20);
        PatchGrid[] grids = [new(30, 30), new(31, 31), new(32, 32), new(33, 33)];
        using CudaCaller caller = new();
        using Resampler resampler = Resampler.Load(Folder, Primary());
        int tokenCount = TokenCount / Grids.Length;
        float[] values = new float[grids.Max(grid => grid.PatchCount) * 20];
        new Random(1).NextBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()));
        values = [.. values.Select(value => float.IsNormal(value) ? MathF.Tanh(value) : 0)];
        ulong features = caller.Allocate(4L * values.Length);
        caller.Write(features, DeviceArray.Encode(Single, values));
        ulong[] tokens = [.. grids.Select(_ => caller.Allocate(4L * tokenCount))];
        int replaced = 0;
        for (int image = 0; image < grids.Length; image++)
        {
            int logged = MockDriver.Log().Length;
            resampler.Resample(new DeviceTensor((nint)features, grids[image].PatchCount * 20, Single), [grids[image]],
                new DeviceTensor((nint)tokens[image], tokenCount, Single), caller.Stream);
            string[] calls = [.. MockDriver.Log()[logged..].Select(line => line.Split(' ')[0])];
            int freed = Array.IndexOf(calls, "cuMemFree");
            if (image == 0 || freed < 0)
                continue;
            replaced++;
            Assert.That(Array.IndexOf(calls, "cuStreamSynchronize"), Is.InRange(0, freed), $"image {image}");
        }

        Assert.That(replaced, Is.Positive);
        for (int image = 0; image < grids.Length; image++)
        {
            float[] expected = new float[tokenCount];
            resampler.Resample(values.AsSpan(0, (int)grids[image].PatchCount * 20), [grids[image]], expected);
            Assert.That(caller.Read(tokens[image], 4 * tokenCount), Is.EqualTo(DeviceArray.Encode(Single, expected)),
                $"image {image}");
        }
    }

    [Test]
    public void Disposing_waits_for_pending_work()
    {
        using CudaCaller caller = new();
        (DeviceTensor features, DeviceTensor tokens) = Tensors(caller);
        byte[] expected;
        using (Resampler resampler = Resampler.Load(Folder, Primary()))
        {
            expected = DeviceArray.Encode(Single, Run(resampler));
            resampler.Resample(features, Grids, tokens, caller.Stream);
        }

        Assert.That(caller.Read((ulong)tokens.Address, expected.Length), Is.EqualTo(expected));
    }

    [TestCase("cuMemAlloc")]
    [TestCase("cuMemcpyHtoDAsync")]
    [TestCase("cuMemcpyDtoDAsync")]
    [TestCase("cuMemsetD8Async")]
    [TestCase("cuLaunchKernel")]
    [TestCase("cuStreamSynchronize")]
    [TestCase("cuStreamWaitEvent")]
    [TestCase("cuEventRecord")]
    [TestCase("cuEventCreate", false)]
    public void A_failing_driver_call_leaves_the_model_usable_and_no_objects(string call,
        bool isAfterWork = true)
    {
        byte[] expected;
        using (Resampler resampler = Resampler.Load(Folder, Primary(Precision.Float16)))
            expected = DeviceArray.Encode(Half, OnHost(resampler));
        FailEachUse(nth =>
        {
            AttachEmulator();
            bool hasFailed = false;
            using (CudaCaller caller = new())
            using (Resampler resampler = Resampler.Load(Folder, Primary(Precision.Float16)))
            {
                // Features of 20 channels are padded in 16 bits.
                (DeviceTensor features, DeviceTensor tokens) = Tensors(caller, Half);
                if (isAfterWork)
                {
                    // This call is still pending when the next one fails.
                    resampler.Resample(features with { Count = 20 }, [Grids[1]], tokens with { Count = TokenCount / 3 },
                        caller.Stream);
                }

                MockDriver.Fail(call, LaunchOutOfResources, nth);
                try
                {
                    resampler.Resample(features, Grids, tokens, caller.Stream);
                }
                catch (DeviceException exception)
                {
                    hasFailed = true;
                    Assert.That(exception.Message, Does.Contain($"{call} failed with CUDA_ERROR_LAUNCH_OUT"));
                    resampler.Resample(features, Grids, tokens, caller.Stream);
                }

                // The first read uses up a failure that the call did not reach. Otherwise it would hit the disposal,
                // where waiting must not fail.
                caller.Read((ulong)tokens.Address, expected.Length);
                byte[] found = caller.Read((ulong)tokens.Address, expected.Length);
                Assert.That(found, Is.EqualTo(expected), $"use {nth}");
            }

            AssertNothingIsLeft();
            return hasFailed;
        });
    }

    [Test]
    public void A_device_failure_after_a_call_is_reported_by_a_later_call()
    {
        using (CudaCaller caller = new())
        using (Resampler resampler = Resampler.Load(Folder, Primary()))
        {
            (DeviceTensor features, DeviceTensor tokens) = Tensors(caller);
            resampler.Resample(features, Grids, tokens, caller.Stream);
            MockDriver.Fail("cuStreamSynchronize", IllegalAddress, isSticky: true);
            Assert.That(resampler.ThrowIfOverflowed, Throws.TypeOf<DeviceException>()
                .With.Message.Contains("CUDA_ERROR_ILLEGAL_ADDRESS")
                .And.Property(nameof(DeviceException.IsDeviceLost)).True);
            Assert.That(() => resampler.Resample(features, Grids, tokens, caller.Stream),
                Throws.TypeOf<DeviceException>().With.Message.StartsWith("the device failed earlier"));
        }

        MockDriver.Reset();
    }

    [Test]
    public void Wrong_arguments_are_rejected_before_anything_is_enqueued()
    {
        using CudaCaller caller = new();
        using Resampler resampler = Resampler.Load(Folder, Primary(Precision.Float16));
        using Resampler single = Resampler.Load(Folder, Primary());
        (DeviceTensor features, DeviceTensor tokens) = Tensors(caller);
        int logged = MockDriver.Log().Length;
        using (Assert.EnterMultipleScope())
        {
            Refused(resampler, features with { Count = 959 }, tokens, "features",
                "features: expected 960 (48 patches x 20 channels) values, found 959");
            Refused(resampler, features, tokens with { Count = 325 }, "tokens",
                "tokens: expected 324 (3 images x 9 tokens x 12) values, found 325");
            Refused(resampler, features with { Type = DeviceElementType.BFloat16 }, tokens, "features",
                "features: expected elements of type Float32 or Float16, because the model computes in Float16, " +
                "found BFloat16");
            Refused(resampler, features, tokens with { Type = (DeviceElementType)9 }, "tokens",
                "tokens: expected elements of type Float32 or Float16, because the model computes in Float16, found 9");
            Refused(single, features, tokens with { Type = Half }, "tokens",
                "tokens: expected elements of type Float32, because the model computes in Float32, found Float16");
            Refused(resampler, features with { Address = 0 }, tokens, "features",
                "features: expected the address of 960 elements, found 0");
            Refused(resampler, features with { Address = 0x1002 }, tokens, "features",
                "features: expected an address that is a multiple of 4, the size of an element of type Float32, " +
                "found 0x1002");
            Refused(resampler, features, tokens with { Address = 0x1001, Type = Half }, "tokens",
                "tokens: expected an address that is a multiple of 2, the size of an element of type Float16, " +
                "found 0x1001");
            Refused(resampler, features, tokens with { Address = features.Address + 4 * 959 }, "tokens",
                "expected tokens in memory of their own, found them overlapping the features");
            Assert.That(() => resampler.Resample(features, [new(0, 3)], tokens, caller.Stream), Throws.ArgumentException
                .With.Message.StartsWith("image 0: expected a patch grid of at least 1x1, found 0x3"));
            Assert.That(() => ResamplerCudaExtensions.Resample(null!, features, Grids, tokens, caller.Stream),
                Throws.ArgumentNullException);
            resampler.Resample(new DeviceTensor(0, 0, Single), [], new DeviceTensor(0, 0, Half), caller.Stream);
            Assert.That(MockDriver.Log(), Has.Length.EqualTo(logged));
        }

        void Refused(Resampler model, DeviceTensor given, DeviceTensor wanted, string name, string message)
            => Assert.That(() => model.Resample(given, Grids, wanted, caller.Stream), Throws.ArgumentException
                .With.Property(nameof(ArgumentException.ParamName)).EqualTo(name)
                .And.Message.EqualTo(new ArgumentException(message, name).Message));
    }

    [Test]
    public void A_foreign_stream_is_a_harmless_error_naming_the_stream()
    {
        using CudaCaller caller = new();
        using Resampler resampler = Resampler.Load(Folder, new ResamplerOptions { Backend = CudaBackend.Default });
        (DeviceTensor features, DeviceTensor tokens) = Tensors(caller);
        Assert.That(() => resampler.Resample(features, Grids, tokens, caller.Stream), Throws.TypeOf<DeviceException>()
            .With.Message.Contains($"the stream 0x{caller.Stream:x}, which must belong to the model's context"));
        Assert.That(Run(resampler), Has.Some.Not.Zero);
    }

    [Test]
    public void A_capturing_stream_is_rejected_and_its_capture_continues([Values] bool isNullStream)
    {
        using CudaCaller caller = new();
        using Resampler resampler = Resampler.Load(Folder, Primary());
        (DeviceTensor features, DeviceTensor tokens) = Tensors(caller);
        // The read waits for the caller's stream, so that the call may use the NULL stream.
        caller.Read((ulong)features.Address, 4);
        nint graph = 0;
        nint recording = caller.Stream;
        // The NULL stream would have to wait for a stream that was created without the flag for the contrary.
        if (isNullStream)
            caller.Within(() => CudaNative.CreateStream(out recording, 0));
        nint stream = isNullStream ? 0 : recording;
        caller.Within(() => CudaNative.BeginCapture(recording, CudaNative.CaptureThreadLocal));
        Assert.That(() => resampler.Resample(features, Grids, tokens, stream), Throws.InvalidOperationException
            .With.Message.StartsWith($"the stream 0x{stream:x} is recording a graph"));
        caller.Within(() => CudaNative.EndCapture(recording, out graph));
        Assert.That(graph, Is.Not.Zero);
        caller.Within(() => CudaNative.DestroyGraph(graph));
        resampler.Resample(features, Grids, tokens, stream);
        if (isNullStream)
            caller.Within(() => CudaLibrary.Api.DestroyStream(recording));
    }

    [Test]
    public void A_call_with_other_grids_does_not_wait_for_the_work_of_the_caller()
    {
        // The first list needs the most memory: freeing less later would wait for everything. The second is
        // repeated, until the graph of its batch is replaced by the batch of one of the last lists.
        PatchGrid one = new(1, 1);
        PatchGrid[][] lists = [[.. Grids, .. Enumerable.Repeat(one, Workspace.MaxBatchCount)], Grids, Grids, Grids,
            [new(2, 9), new(4, 4)], [new(7, 6)],
            .. Enumerable.Range(1, Workspace.MaxBatchCount).Select(count => Enumerable.Repeat(one, count).ToArray())];
        using CudaCaller caller = new();
        using Resampler resampler = Resampler.Load(Folder, Primary());
        float[] values = new float[lists.Max(grids => grids.Sum(grid => grid.PatchCount)) * 20];
        ulong features = caller.Allocate(4L * values.Length);
        ulong tokens = caller.Allocate(4L * TokenCount * lists[0].Length / Grids.Length);
        ulong address = caller.Allocate(1);
        byte[] found = new byte[1];
        caller.Write(features, DeviceArray.Encode(Single, values));
        caller.Write(address, found);
        caller.Read(address, 1);
        for (byte call = 1; call <= lists.Length; call++)
        {
            PatchGrid[] grids = lists[call - 1];
            caller.Write(address, [call]);
            resampler.Resample(
                new DeviceTensor((nint)features, 20 * grids.Sum(grid => grid.PatchCount), Single), grids,
                new DeviceTensor((nint)tokens, TokenCount / Grids.Length * grids.Length, Single), caller.Stream);
            // The driver of the tests performs work only when something waits for it.
            Emulator.Read(address, found);
            Assert.That(found[0], Is.EqualTo(call - 1), $"call {call} waited for the caller's work");
            Assert.That(caller.Read(address, 1)[0], Is.EqualTo(call));
        }
    }

    [Test]
    public void The_error_of_a_CPU_model_states_where_it_runs()
    {
        using Resampler resampler = Resampler.Load(Folder, new ResamplerOptions { Backend = Backend.Cpu });
        DeviceTensor none = new(0, 0, Single);
        foreach (Action call in (Action[])[resampler.ThrowIfOverflowed, () => resampler.Resample(none, [], none, 0)])
        {
            Assert.That(call, Throws.InvalidOperationException.With.Message.Contains("loaded with CudaBackend")
                .And.Message.Contains(resampler.Description));
        }

        resampler.Dispose();
        Assert.That(resampler.ThrowIfOverflowed, Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Views_and_streams_of_an_accelerator_work_for_its_models()
    {
        MockDriver.ServeIlgpu();
        using Context context = Context.Create(builder => builder.Cuda().CPU());
        using CudaAccelerator accelerator = context.CreateCudaAccelerator(0);
        using CudaStream stream = (CudaStream)accelerator.CreateStream();
        using MemoryBuffer1D<float, Stride1D.Dense> features = accelerator.Allocate1D<float>(Features.Length);
        using MemoryBuffer1D<float, Stride1D.Dense> tokens = accelerator.Allocate1D<float>(TokenCount);
        using MemoryBuffer1D<ILGPU.Half, Stride1D.Dense> halves = accelerator.Allocate1D<ILGPU.Half>(TokenCount);
        using (CudaDevice device = CudaDevice.Of(accelerator))
        using (Resampler resampler = Resampler.Load(Folder, new ResamplerOptions
        {
            Backend = CudaBackend.ForAccelerator(accelerator),
            Precision = Precision.Float16,
        }))
        {
            float[] expected = OnHost(resampler);
            using DeviceArray source = new(device, Single, Features);
            using IDeviceStream own = device.CreateStream();
            own.WaitFor(stream.StreamPtr);
            own.Copy((ulong)source.Tensor.Address, (ulong)features.NativePtr, 4L * Features.Length);
            own.Release(stream.StreamPtr);
            resampler.Resample(features.View, Grids, tokens.View, stream);
            Assert.That(Read(own, tokens, Single), Is.EqualTo(DeviceArray.Encode(Single, expected)));
            resampler.Resample(features.View, Grids, halves.View, stream);
            Assert.That(Read(own, halves, Half), Is.EqualTo(DeviceArray.Encode(Half, expected)));

            int[] ids = [.. Grids.Select((_, frame) => frame)];
            float[] expectedGroup = new float[TokenCount / Grids.Length];
            resampler.Resample(Features, new FrameGroups(Grids, ids, [Grids.Length]), expectedGroup);
            resampler.Resample(features.View, new FrameGroups(Grids, ids, [Grids.Length]),
                tokens.View.SubView(0, expectedGroup.Length), stream);
            byte[] bytes = DeviceArray.Encode(Single, expectedGroup);
            Assert.That(Read(own, tokens, Single)[..bytes.Length], Is.EqualTo(bytes), "group in float32");
            resampler.Resample(features.View, new FrameGroups(Grids, ids, [Grids.Length]),
                halves.View.SubView(0, expectedGroup.Length), stream);
            bytes = DeviceArray.Encode(Half, expectedGroup);
            Assert.That(Read(own, halves, Half)[..bytes.Length], Is.EqualTo(bytes), "group in float16");

            using Accelerator other = context.CreateCPUAccelerator(0);
            using MemoryBuffer1D<float, Stride1D.Dense> foreign = other.Allocate1D<float>(TokenCount);
            using CudaStream ended = (CudaStream)accelerator.CreateStream();
            ended.Dispose();
            using (Assert.EnterMultipleScope())
            {
                Assert.That(() => resampler.Resample(features.View, Grids, foreign.View, stream),
                    Throws.ArgumentException.With.Message.Contains("accelerator that the model was loaded on")
                        .And.Message.Contains(other.Name));
                Assert.That(() => resampler.Resample(features.View, Grids, default(ArrayView<float>), stream),
                    Throws.ArgumentException.With.Message.Contains("found 0"));
                Assert.That(() => resampler.Resample(features.View, Grids, tokens.View, ended),
                    Throws.TypeOf<ObjectDisposedException>());
                Assert.That(() => resampler.Resample(features.View, Grids, tokens.View, null!),
                    Throws.ArgumentNullException);
            }

            byte[] Read(IDeviceStream by, MemoryBuffer buffer, DeviceElementType type)
            {
                using DeviceArray copy = new(device, type, TokenCount);
                by.WaitFor(stream.StreamPtr);
                by.Copy((ulong)buffer.NativePtr, (ulong)copy.Tensor.Address, buffer.LengthInBytes);
                by.Synchronize();
                return copy.Read(device);
            }
        }

        using Resampler elsewhere = Resampler.Load(Folder, Options);
        Assert.That(() => elsewhere.Resample(features.View, Grids, tokens.View, stream), Throws.ArgumentException
            .With.Property(nameof(ArgumentException.ParamName)).EqualTo("stream"));
    }

    private static ResamplerOptions Primary(Precision precision = Precision.Float32)
        => new() { Backend = CudaBackend.ForPrimaryContext(0), Precision = precision };

    /// <summary>The features of the batch on the device, and memory for its tokens.</summary>
    private (DeviceTensor Features, DeviceTensor Tokens) Tensors(CudaCaller caller, DeviceElementType type = Single)
    {
        byte[] bytes = DeviceArray.Encode(type, Features);
        ulong features = caller.Allocate(bytes.Length);
        caller.Write(features, bytes);
        return (new DeviceTensor((nint)features, Features.Length, type),
            new DeviceTensor((nint)caller.Allocate(4L * TokenCount), TokenCount, type));
    }

    /// <summary>The tokens of the batch, from features that are representable in 16 bits.</summary>
    private float[] OnHost(Resampler resampler)
    {
        float[] tokens = new float[TokenCount];
        resampler.Resample(DeviceArray.Round(Half, Features), Grids, tokens);
        return tokens;
    }
}
