using System.Globalization;
using MsResampler.Kernels.Device.Cuda;

namespace MsResampler.Kernels.Tests.Cuda;

internal sealed class CudaDeviceTests : CudaFixture
{
    private static readonly LaunchSize s_size = new(5, 3, 128);

    [Test]
    public void Properties_are_those_that_the_driver_reports()
    {
        MockDriver.SetDriver(12_040, 2);
        MockDriver.SetDevice(1, "Second", architecture: 89, multiprocessorCount: 7, memoryBytes: 123 << 20);
        using CudaDevice device = new(1);
        Assert.That(device.Properties, Is.EqualTo(new DeviceProperties("Second", 89, 7, 123 << 20, 99 << 10)));
    }

    [Test]
    public void Arguments_and_launch_sizes_reach_the_driver_unchanged()
    {
        byte[] arguments = Bytes(Kernel.ParameterBytes, 1);
        using CudaDevice device = new(0);
        using IDeviceStream stream = device.CreateStream();
        stream.Launch(device.Load(Kernel), new LaunchSize(2_000_000_000, 65_535, 1_024, 4_096), arguments);
        stream.Synchronize();
        Assert.That(MockDriver.Log("cuLaunchKernel").Single(), Does.Match(
            "^cuLaunchKernel name=scale grid=2000000000x65535x1 block=1024x1x1 shared=4096 stream=[0-9a-f]+ " +
            $"arguments={Convert.ToHexString(arguments)}$"));
    }

    [Test]
    public void Copies_are_exact_even_if_the_source_changes_at_once(
        [Values(0, 1, CudaStaging.ByteCount - 1, CudaStaging.ByteCount, CudaStaging.ByteCount + 1,
            2 * CudaStaging.ByteCount, (5 * CudaStaging.ByteCount) + 17)] int count)
    {
        const int Offset = 12;
        byte[] expected = Bytes(count, 2);
        byte[] source = [.. expected];
        byte[] result = new byte[count];
        using CudaDevice device = new(0);
        using IDeviceMemory memory = device.Allocate(count + Offset);
        using IDeviceStream stream = device.CreateStream();
        stream.Upload(source, memory, Offset);
        Array.Clear(source);
        stream.Download(memory, result, Offset);
        Assert.That(result.AsSpan().SequenceEqual(expected));
    }

    [Test]
    public void Each_row_is_written_once_and_copied(
        [Values(1, 3_000, CudaStaging.ByteCount, CudaStaging.ByteCount + 1)] int rowBytes,
        [Values(1, 7)] int sliceCount)
    {
        int count = Math.Max(1, (int)((long)sliceCount * CudaStaging.ByteCount / rowBytes) - 1);
        byte[] expected = Bytes(count * rowBytes, 3);
        int[] writes = new int[count];
        byte[] result = new byte[expected.Length];
        using CudaDevice device = new(0);
        using IDeviceMemory memory = device.Allocate(expected.Length + 12);
        using IDeviceStream stream = device.CreateStream();
        stream.Upload(new HostRows(count, rowBytes, (first, rows) =>
        {
            Assert.That(rows.Length % rowBytes, Is.Zero);
            for (int row = first; row < first + (rows.Length / rowBytes); row++)
                Interlocked.Increment(ref writes[row]);
            expected.AsSpan(first * rowBytes, rows.Length).CopyTo(rows);
        }), memory, 12);
        stream.Download(memory, result, 12);
        Assert.That(writes.AsSpan().IndexOfAnyExcept(1), Is.EqualTo(-1));
        Assert.That(result.AsSpan().SequenceEqual(expected));
    }

    [Test]
    public void A_cancelled_upload_stops_at_the_next_slice([Values(3_000, CudaStaging.ByteCount + 1)] int rowBytes)
    {
        using CudaDevice device = new(0);
        using IDeviceMemory memory = device.Allocate(8L * CudaStaging.ByteCount);
        using IDeviceStream stream = device.CreateStream();
        using CancellationTokenSource source = new();
        int count = 7 * CudaStaging.ByteCount / rowBytes;
        Assert.That(() => stream.Upload(new HostRows(count, rowBytes, (_, _) => source.Cancel()), memory, 0,
            source.Token), Throws.TypeOf<OperationCanceledException>());
        Assert.That(MockDriver.Log("cuMemcpyHtoDAsync"), Has.Length.InRange(1, 2));
        stream.Synchronize();
    }

    [Test]
    public void A_download_sees_the_uploads_before_it()
    {
        byte[][] parts = [.. Enumerable.Range(0, 7).Select(seed => Bytes(1_000_000, seed))];
        byte[] result = new byte[1_000_000];
        using CudaDevice device = new(0);
        using IDeviceMemory memory = device.Allocate(result.Length);
        using IDeviceStream stream = device.CreateStream();
        foreach (byte[] part in parts)
        {
            stream.Upload(part, memory);
            stream.Upload(part.AsSpan(0, 10), memory, 50);
        }

        stream.Download(memory, result);
        parts[^1].AsSpan(0, 10).CopyTo(parts[^1].AsSpan(50));
        Assert.That(result.AsSpan().SequenceEqual(parts[^1]));
    }

    [Test]
    public void A_copy_beyond_the_memory_or_after_disposal_is_rejected()
    {
        using CudaDevice device = new(0);
        using CudaDevice other = new(0);
        using IDeviceMemory memory = device.Allocate(100);
        using IDeviceMemory foreign = other.Allocate(100);
        IDeviceMemory freed = device.Allocate(100);
        freed.Dispose();
        using IDeviceStream stream = device.CreateStream();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => stream.Upload(new byte[101], memory),
                Throws.ArgumentException.With.Message.Contains("at most 100 bytes from offset 0, found 101"));
            Assert.That(() => stream.Upload(new byte[4], memory, 97), Throws.ArgumentException);
            Assert.That(() => stream.Upload(new byte[4], memory, -1), Throws.ArgumentException);
            Assert.That(() => stream.Upload(new byte[4], memory, long.MaxValue), Throws.ArgumentException);
            Assert.That(() => stream.Download(memory, new byte[4], 97), Throws.ArgumentException);
            Assert.That(() => stream.Upload(new byte[4], foreign), Throws.ArgumentException);
            Assert.That(() => stream.Download(freed, new byte[4]), Throws.ArgumentException);
        }

        Assert.That(MockDriver.Log("cuMemcpyHtoDAsync"), Is.Empty);
    }

    [Test]
    public void A_foreign_kernel_or_wrong_argument_length_is_rejected()
    {
        using CudaDevice device = new(0);
        using CudaDevice other = new(0);
        using IDeviceStream stream = device.CreateStream();
        IDeviceKernel kernel = device.Load(Kernel);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => stream.Launch(other.Load(Kernel), s_size, new byte[24]),
                Throws.ArgumentException.With.Message.Contains("scale"));
            Assert.That(() => stream.Launch(kernel, s_size, new byte[20]),
                Throws.ArgumentException.With.Message.Contains("expected 24 bytes of arguments, found 20"));
        }
    }

    [Test]
    public void Streams_are_non_blocking_and_destroyed()
    {
        using (CudaDevice device = new(0))
        {
            using IDeviceStream first = device.CreateStream();
            IDeviceStream second = device.CreateStream();
            second.Launch(device.Load(Kernel), s_size, new byte[24]);
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(MockDriver.Log("cuStreamCreate"), Has.Length.EqualTo(2).And.All.Contains(" flags=1 "));
            Assert.That(MockDriver.Log("cuStreamDestroy"), Has.Length.EqualTo(2));
        }
    }

    [Test]
    public void Disposing_a_device_releases_all_and_disposal_may_be_repeated()
    {
        CudaDevice device = new(0);
        IDeviceMemory memory = device.Allocate(1_000);
        IDeviceMemory early = device.Allocate(1_000);
        IDeviceStream stream = device.CreateStream();
        IDeviceKernel kernel = device.Load(Kernel);
        early.Dispose();
        early.Dispose();
        stream.Upload(new byte[1_000], memory);
        device.Dispose();
        int callCount = MockDriver.Log().Length;
        device.Dispose();
        stream.Dispose();
        memory.Dispose();
        early.Dispose();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(MockDriver.LiveCount, Is.Zero);
            Assert.That(MockDriver.Log(), Has.Length.EqualTo(callCount));
            Assert.That(() => device.Allocate(1), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(device.CreateStream, Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => device.Load(Kernel), Throws.TypeOf<ObjectDisposedException>());
            Assert.That(stream.Synchronize, Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => stream.Launch(kernel, s_size, new byte[24]), Throws.TypeOf<ObjectDisposedException>());
        }
    }

    [Test]
    public void A_disposed_stream_rejects_work()
    {
        using CudaDevice device = new(0);
        IDeviceStream stream = device.CreateStream();
        stream.Dispose();
        stream.Dispose();
        Assert.That(stream.Synchronize, Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Dynamic_shared_memory_is_permitted_once_for_each_new_maximum()
    {
        using CudaDevice device = new(0);
        using IDeviceStream stream = device.CreateStream();
        IDeviceKernel kernel = device.Load(Kernel);
        foreach (int byteCount in (int[])[0, 100_000, 60_000, 100_000, 166_912])
            stream.Launch(kernel, s_size with { DynamicSharedBytes = byteCount }, new byte[24]);
        stream.Synchronize();
        Assert.That(MockDriver.Log("cuFuncSetAttribute"), Is.EqualTo(new[]
        {
            "cuFuncSetAttribute name=scale attribute=8 value=100000",
            "cuFuncSetAttribute name=scale attribute=8 value=166912",
        }));
    }

    [Test]
    public void Threads_have_separate_streams_and_keep_their_context()
    {
        using CudaDevice device = new(0);
        Thread[] threads = [.. Enumerable.Range(0, 8).Select(seed => new Thread(() => Work(device, seed)))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        (string Stream, string Seed)[] launches = [.. MockDriver.Log("cuLaunchKernel").Select(line =>
        {
            string[] words = line.Split(' ', '=');
            return (words[10], words[12][..2]);
        })];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(launches, Has.Length.EqualTo(8 * 20));
            Assert.That(launches.Distinct().Count(), Is.EqualTo(8));
            Assert.That(launches.Select(launch => launch.Stream).Distinct().Count(), Is.EqualTo(8));
        }

        static void Work(CudaDevice device, int seed)
        {
            byte[] arguments = new byte[24];
            arguments[0] = (byte)seed;
            byte[] expected = Bytes(70_000, seed);
            byte[] result = new byte[expected.Length];
            using IDeviceMemory memory = device.Allocate(expected.Length);
            using IDeviceStream stream = device.CreateStream();
            for (int round = 0; round < 20; round++)
            {
                stream.Upload(expected, memory);
                stream.Launch(device.Load(Kernel), s_size, arguments);
                stream.Download(memory, result);
                if (!result.AsSpan().SequenceEqual(expected) || MockDriver.CurrentContext != 0)
                    throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"thread {seed}"));
            }
        }
    }

    [Test]
    public void An_undisposed_device_is_finalised()
    {
        Leak();
        for (int round = 0; round < 10 && MockDriver.LiveCount > 0; round++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.That(MockDriver.LiveCount, Is.Zero);
        MockDriver.Reset();

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static void Leak()
        {
            CudaDevice device = new(0);
            device.Allocate(100);
            device.CreateStream();
            Assert.That(MockDriver.LiveCount, Is.Positive);
        }
    }
}
