using System.Diagnostics;
using System.Text;
using MsResampler.Kernels.Device.Cuda;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>The mock's own rules, each with a call that breaks it or depends on it.</summary>
internal sealed unsafe class MockDriverTests : CudaFixture
{
    private const int Success = 0;
    private const int InvalidImage = 200;
    private const int NoBinaryForGpu = 209;
    private const int InvalidPtx = 218;
    private const int NoCompiler = 221;
    private const int ErrorLog = 5;
    private const int ErrorLogBytes = 6;

    private int _ordinal;
    private nint _context;

    [SetUp]
    public void Open()
    {
        MockDriver.SetDriver(12_040, 2);
        MockDriver.SetDevice(0, "Mock", architecture: 86);
        _ordinal = CudaDevices.Ordinal(0);
        CudaNative.RetainPrimaryContext(out _context, _ordinal);
        CudaNative.PushContext(_context);
    }

    [TearDown]
    public void Close()
    {
        CudaNative.PopContext(out _);
        CudaNative.ReleasePrimaryContext(_ordinal);
    }

    [Test]
    public void Linked_machine_code_loads_without_the_compiler_on_devices_of_its_major_version()
    {
        byte[] image = Link(Kernel.Ptx, out int error, out _);
        MockDriver.SetJit(isMissing: true);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(error, Is.EqualTo(Success));
            Assert.That(Load(image), Is.EqualTo(Success));
            Assert.That(MockDriver.JitCount, Is.EqualTo(1));
            Assert.That(MockDriver.ModuleLoadCount, Is.EqualTo(1));
            Assert.That(Load(Text(Kernel.Ptx)), Is.EqualTo(NoCompiler));
            Assert.That(Load([0x7f, (byte)'E', (byte)'L', (byte)'F', 0, 0, 0, 0]), Is.EqualTo(NoBinaryForGpu));
            image[^20] ^= 1;
            Assert.That(Load(image), Is.EqualTo(InvalidImage));
            image[^20] ^= 1;
            MockDriver.SetDriver(12_030, 1);
            Assert.That(Load(image), Is.EqualTo(InvalidImage), "the driver is older than the code");
            MockDriver.SetDriver(12_040, 1);
            MockDriver.SetDevice(0, "Older", architecture: 80);
            Assert.That(Load(image), Is.EqualTo(NoBinaryForGpu));
            MockDriver.SetDevice(0, "Newer", architecture: 90);
            Assert.That(Load(image), Is.EqualTo(NoBinaryForGpu));
            MockDriver.SetDevice(0, "Like", architecture: 89);
            Assert.That(Load(image), Is.EqualTo(Success));
        }
    }

    [Test]
    public void An_error_of_the_compiler_is_in_the_error_log()
    {
        Link("nonsense", out int error, out string log);
        Assert.That((error, log), Is.EqualTo((InvalidPtx,
            "ptxas application ptx input, line 1; fatal : no entry function\n")));
    }

    [Test]
    public void Texts_compile_at_the_same_time_and_other_calls_continue()
    {
        const int Milliseconds = 500;
        MockDriver.SetJit(Milliseconds);
        Stopwatch watch = Stopwatch.StartNew();
        Thread[] threads = [.. Enumerable.Range(0, 4).Select(index => new Thread(() =>
        {
            CudaNative.PushContext(_context);
            Link(Kernel.Ptx, out int _, out _);
            CudaNative.PopContext(out _);
        }))];
        Array.ForEach(threads, thread => thread.Start());
        SpinWait.SpinUntil(() => MockDriver.JitCount == threads.Length, Milliseconds);
        CudaLibrary.Api.AllocateMemory(out nint memory, 8);
        CudaLibrary.Api.FreeMemory(memory);
        double allocated = watch.Elapsed.TotalMilliseconds;
        Array.ForEach(threads, thread => thread.Join());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(allocated, Is.LessThan(Milliseconds));
            Assert.That(watch.Elapsed.TotalMilliseconds, Is.InRange(Milliseconds, 2 * Milliseconds));
        }
    }

    [Test]
    public void Attributes_of_functions_and_devices_are_reported()
    {
        nint module;
        nint function;
        int blocks;
        int value;
        byte[] uuid = [.. Enumerable.Range(1, 16).Select(index => (byte)index)];
        byte[] found = new byte[16];
        MockDriver.SetUuid(1, uuid);
        fixed (byte* text = Text(Kernel.Ptx), name = "scale\0"u8, bytes = found)
        {
            ((delegate* unmanaged<nint*, byte*, int>)MockDriver.Export("cuModuleLoadData"))(&module, text);
            ((delegate* unmanaged<nint*, nint, byte*, int>)MockDriver.Export("cuModuleGetFunction"))(&function, module,
                name);
            ((delegate* unmanaged<byte*, int, int>)MockDriver.Export("cuDeviceGetUuid_v2"))(bytes, 41);
        }

        ((delegate* unmanaged<int*, nint, int, nuint, int>)MockDriver.Export(
            "cuOccupancyMaxActiveBlocksPerMultiprocessor"))(&blocks, function, 256, 0);
        ((delegate* unmanaged<nint, int, int, int>)MockDriver.Export("cuFuncSetAttribute"))(function, 9, 100);
        ((delegate* unmanaged<int*, int, nint, int>)MockDriver.Export("cuFuncGetAttribute"))(&value, 9, function);
        ((delegate* unmanaged<nint, int>)MockDriver.Export("cuModuleUnload"))(module);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(found, Is.EqualTo(uuid));
            Assert.That((blocks, value), Is.EqualTo((8, 100)));
        }
    }

    private static byte[] Text(string ptx) => Encoding.UTF8.GetBytes(ptx + "\0");

    /// <summary>Loads and unloads data.</summary>
    private static int Load(byte[] data)
    {
        nint module;
        fixed (byte* start = data)
        {
            int error = ((delegate* unmanaged<nint*, byte*, int>)MockDriver.Export("cuModuleLoadData"))(&module, start);
            if (error == Success)
                ((delegate* unmanaged<nint, int>)MockDriver.Export("cuModuleUnload"))(module);
            return error;
        }
    }

    private static byte[] Link(string ptx, out int error, out string log)
    {
        byte[] buffer = new byte[1000];
        byte[] text = Text(ptx);
        byte[] image = [];
        int* options = stackalloc int[] { ErrorLog, ErrorLogBytes };
        nint link;
        fixed (byte* bufferStart = buffer, textStart = text)
        {
            nint* values = stackalloc nint[] { (nint)bufferStart, buffer.Length };
            ((delegate* unmanaged<int, int*, nint*, nint*, int>)MockDriver.Export("cuLinkCreate_v2"))(2, options,
                values, &link);
            error = ((delegate* unmanaged<nint, int, byte*, nint, byte*, int, int*, nint*, int>)MockDriver.Export(
                "cuLinkAddData_v2"))(link, 1, textStart, text.Length, null, 0, null, null);
            byte* result;
            nint byteCount;
            if (error == Success)
            {
                error = ((delegate* unmanaged<nint, byte**, nint*, int>)MockDriver.Export("cuLinkComplete"))(link,
                    &result, &byteCount);
                image = new ReadOnlySpan<byte>(result, (int)byteCount).ToArray();
            }

            log = Encoding.UTF8.GetString(bufferStart, (int)(values[1] == buffer.Length ? 0 : values[1]));
        }

        ((delegate* unmanaged<nint, int>)MockDriver.Export("cuLinkDestroy"))(link);
        return image;
    }
}
