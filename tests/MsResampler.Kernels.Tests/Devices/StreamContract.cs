using System.Reflection;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Tests.Devices;

/// <summary>The contract of every device for recorded work and for copies within the device.</summary>
internal static class StreamContract
{
    private static readonly LaunchSize s_size = new(1, 1, 32);

    /// <summary>x ← 3·x + addend for the integer at an address: the result shows which launches ran and in which
    /// order.</summary>
    public static CompiledKernel Advance { get; } = new("advance", "advance",
        """
        .version 7.0
        .target sm_60
        .address_size 64
        .visible .entry advance(
            .param .u64 address,
            .param .u32 addend
        )
        {
            .reg .pred %p1;
            .reg .b32 %r<4>;
            .reg .b64 %rd1;
            mov.u32 %r1, %tid.x;
            setp.ne.u32 %p1, %r1, 0;
            @%p1 bra DONE;
            ld.param.u64 %rd1, [address];
            ld.param.u32 %r2, [addend];
            ld.global.u32 %r3, [%rd1];
            mad.lo.u32 %r3, %r3, 3, %r2;
            st.global.u32 [%rd1], %r3;
        DONE:
            ret;
        }
        """, [new KernelParameter(0, 8), new KernelParameter(8, 4)], 12);

    /// <summary>The same for Hopper: it waits for the launch before it.</summary>
    public static CompiledKernel AdvanceInOrder { get; } = Advance with
    {
        Ptx = PtxText.WaitFirst(Advance.Ptx, PtxVersion.Dependencies),
    };

    /// <summary>Every rule of the contract, as an action on a device.</summary>
    public static IEnumerable<TestCaseData> Cases => typeof(StreamContract)
        .GetMethods(BindingFlags.Static | BindingFlags.Public)
        .Where(method => method.GetParameters() is [{ ParameterType: { } type }] && type == typeof(IDevice))
        .Select(method => new TestCaseData(method.CreateDelegate<Action<IDevice>>()).SetArgDisplayNames(method.Name));

    public static void Only_graph_launches_run_recorded_work(IDevice device)
    {
        using IDeviceMemory memory = device.Allocate(8);
        using IDeviceStream stream = device.CreateStream();
        IDeviceKernel kernel = device.Load(Advance);
        Set(stream, memory, 1, 0);
        using IDeviceGraph? graph = stream.Capture(() =>
        {
            Launch(stream, kernel, memory, addend: 1);
            stream.Copy(memory.Address, memory.Address + 4, 4);
            Launch(stream, kernel, memory, addend: 2);
        });
        Assert.That(graph, Is.Not.Null);
        Assert.That(Get(stream, memory), Is.EqualTo((1, 0)));

        Assert.That(stream.TryLaunch(graph), Is.True);
        Assert.That(Get(stream, memory), Is.EqualTo((14, 4)));
        Launch(stream, kernel, memory, addend: 0);
        Assert.That(stream.TryLaunch(graph) && stream.TryLaunch(graph), Is.True);
        Assert.That(Get(stream, memory), Is.EqualTo((3452, 1150)));
    }

    public static void A_caller_error_while_recording_leaves_the_stream_usable(IDevice device)
    {
        using IDeviceMemory memory = device.Allocate(8);
        using IDeviceStream stream = device.CreateStream();
        IDeviceKernel kernel = device.Load(Advance);
        Set(stream, memory, 1, 0);
        Assert.That(() => stream.Capture(() =>
        {
            Launch(stream, kernel, memory, addend: 1);
            throw new FormatException();
        }), Throws.TypeOf<FormatException>());
        GoesOn(stream, kernel, memory);
    }

    public static void A_device_error_while_recording_returns_no_graph(IDevice device)
    {
        using IDeviceMemory memory = device.Allocate(8);
        using IDeviceStream stream = device.CreateStream();
        IDeviceKernel kernel = device.Load(Advance);
        Set(stream, memory, 1, 0);
        Assert.That(stream.Capture(() =>
        {
            Launch(stream, kernel, memory, addend: 1);
            throw new DeviceException("no");
        }), Is.Null);
        GoesOn(stream, kernel, memory);
    }

    public static void Operations_that_cannot_be_recorded_are_rejected(IDevice device)
    {
        using IDeviceMemory memory = device.Allocate(8);
        using IDeviceStream stream = device.CreateStream();
        IDeviceKernel kernel = device.Load(Advance);
        Set(stream, memory, 1, 0);
        using IDeviceGraph graph = stream.Capture(() => Launch(stream, kernel, memory, addend: 1))!;
        using (Assert.EnterMultipleScope())
        {
            foreach (Action action in (Action[])[() => stream.Upload(new byte[4], memory),
                () => stream.Download(memory, new byte[4]), stream.Synchronize, () => stream.TryLaunch(graph),
                () => stream.Capture(() => { }), () => stream.WaitFor(0), () => stream.Release(0)])
            {
                Assert.That(() => stream.Capture(action), Throws.InvalidOperationException);
            }
        }

        GoesOn(stream, kernel, memory);
    }

    public static void A_disposed_or_foreign_graph_is_rejected(IDevice device)
    {
        using IDeviceMemory memory = device.Allocate(8);
        using IDeviceStream stream = device.CreateStream();
        IDeviceKernel kernel = device.Load(Advance);
        using IDeviceStream other = device.CreateStream();
        IDeviceGraph graph = stream.Capture(() => Launch(stream, kernel, memory, addend: 1))!;
        Assert.That(() => other.TryLaunch(graph), Throws.ArgumentException);
        graph.Dispose();
        graph.Dispose();
        Assert.That(() => stream.TryLaunch(graph), Throws.ArgumentException);
    }

    public static void Exactly_the_range_is_copied_in_stream_order(IDevice device)
    {
        using IDeviceMemory from = device.Allocate(12);
        using IDeviceMemory to = device.Allocate(12);
        using IDeviceStream stream = device.CreateStream();
        stream.Upload(MemoryMarshal.AsBytes<int>([1, 2, -1]), from);
        stream.Upload(MemoryMarshal.AsBytes<int>([7, 8, -1]), to);
        Launch(stream, device.Load(Advance), from, addend: 1);
        stream.Copy(from.Address, to.Address + 4, 5);
        Set(stream, from, 0, 0);
        int[] result = new int[3];
        stream.Download(to, MemoryMarshal.AsBytes(result.AsSpan()));
        Assert.That(result, Is.EqualTo(new[] { 7, 4, -254 }));
    }

    public static void Exactly_the_range_is_cleared_in_stream_order(IDevice device)
    {
        using IDeviceMemory memory = device.Allocate(12);
        using IDeviceStream stream = device.CreateStream();
        stream.Upload(MemoryMarshal.AsBytes<int>([1, 2, -1]), memory);
        Launch(stream, device.Load(Advance), memory, addend: 1);
        stream.Clear(memory.Address + 4, 5);
        using IDeviceGraph graph = stream.Capture(() => stream.Clear(memory.Address, 4))!;
        int[] result = new int[3];
        stream.Download(memory, MemoryMarshal.AsBytes(result.AsSpan()));
        Assert.That(result, Is.EqualTo(new[] { 4, 0, -256 }));
        Assert.That(stream.TryLaunch(graph), Is.True);
        Assert.That(Get(stream, memory), Is.EqualTo((0, 0)));
    }

    /// <summary>Launches the kernel.</summary>
    public static void Launch(IDeviceStream stream, IDeviceKernel kernel, IDeviceMemory memory, int addend)
    {
        byte[] arguments = new byte[12];
        MemoryMarshal.Write(arguments, memory.Address);
        MemoryMarshal.Write(arguments.AsSpan(8), addend);
        stream.Launch(kernel, s_size, arguments);
    }

    /// <summary>Writes two integers.</summary>
    public static void Set(IDeviceStream stream, IDeviceMemory memory, int first, int second)
        => stream.Upload(MemoryMarshal.AsBytes<int>([first, second]), memory);

    /// <summary>Reads two integers.</summary>
    public static (int First, int Second) Get(IDeviceStream stream, IDeviceMemory memory)
    {
        int[] values = new int[2];
        stream.Download(memory, MemoryMarshal.AsBytes(values.AsSpan()));
        return (values[0], values[1]);
    }

    /// <summary>Checks, starting with x = 1, that the stream can compute and record.</summary>
    private static void GoesOn(IDeviceStream stream, IDeviceKernel kernel, IDeviceMemory memory)
    {
        Launch(stream, kernel, memory, addend: 5);
        using IDeviceGraph graph = stream.Capture(() => Launch(stream, kernel, memory, addend: 7))!;
        Assert.That(stream.TryLaunch(graph), Is.True);
        Assert.That(Get(stream, memory).First, Is.EqualTo(31));
    }
}
