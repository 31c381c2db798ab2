using System.Diagnostics;
using System.Text;
using MsResampler.Kernels.Device.Cuda;
using MsResampler.Kernels.Tests.Compiler;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Compiling, linking and loading in the mock.</summary>
internal sealed unsafe class MockDriverTests : MockDriverFixture
{
    private const int Success = 0;
    private const int InvalidImage = 200;
    private const int NoBinaryForGpu = 209;
    private const int InvalidPtx = 218;
    private const int UnsupportedVersion = 222;
    private const int NoCompiler = 221;
    private const int ErrorLog = 5;
    private const int ErrorLogBytes = 6;

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
        const int Milliseconds = 1000;
        MockDriver.SetJit(Milliseconds);
        const int ThreadCount = 4;
        Measured.AssertBelow(ThreadCount * Milliseconds, "ms, or infinite if the allocation waited", () =>
        {
            int before = MockDriver.JitCount;
            Stopwatch watch = Stopwatch.StartNew();
            Thread[] threads = [.. Enumerable.Range(0, ThreadCount).Select(index => new Thread(() =>
            {
                CudaNative.PushContext(Context);
                Link(Kernel.Ptx, out int _, out _);
                CudaNative.PopContext(out _);
            }))];
            Array.ForEach(threads, thread => thread.Start());
            SpinWait.SpinUntil(() => MockDriver.JitCount - before == ThreadCount, Milliseconds);
            Allocate();
            bool areCompiling = threads.All(thread => thread.IsAlive);
            Array.ForEach(threads, thread => thread.Join());
            double elapsed = watch.Elapsed.TotalMilliseconds;
            Assert.That(elapsed, Is.AtLeast(Milliseconds));
            return areCompiling ? elapsed : double.PositiveInfinity;
        });
    }

    [TestCase(80, 11_000, "7.0", "sm_80", Success)]
    [TestCase(80, 11_000, "7.1", "sm_80", UnsupportedVersion)]
    [TestCase(80, 12_040, "8.4", "sm_60", Success)]
    [TestCase(80, 12_040, "8.5", "sm_80", UnsupportedVersion)]
    [TestCase(80, 12_080, "8.7", "sm_60", Success)]
    [TestCase(80, 12_080, "8.8", "sm_60", UnsupportedVersion)]
    [TestCase(80, 12_040, "8.4", "sm_86", NoBinaryForGpu)]
    [TestCase(90, 12_040, "8.0", "sm_90a", Success)]
    [TestCase(100, 12_080, "8.0", "sm_90", Success)]
    [TestCase(100, 12_080, "8.0", "sm_90a", NoBinaryForGpu)]
    public void Texts_for_newer_devices_or_drivers_are_refused(int architecture, int driver, string version,
        string target, int expected)
    {
        MockDriver.SetDriver(driver, 1);
        MockDriver.SetDevice(0, "Mock", architecture);
        string ptx = Kernel.Ptx.Replace("7.0", version, StringComparison.Ordinal)
            .Replace("sm_60", target, StringComparison.Ordinal);
        Link(ptx, out int error, out string log);
        Assert.That(error, Is.EqualTo(expected));
        if (error == UnsupportedVersion)
            Assert.That(log, Does.Contain($"Unsupported .version {version}; current version is"));
    }

    [Test]
    public void A_text_that_the_assembler_rejects_is_refused_with_its_message()
    {
        Ptxas.OrSkip();
        Link(Kernel.Ptx.Replace("ret;", "nonsense;", StringComparison.Ordinal), out int error, out string log);
        Assert.That(error, Is.EqualTo(InvalidPtx));
        Assert.That(log, Does.Contain("nonsense").Or.Contain("Parsing error"));
    }

    [Test]
    public void Devices_have_the_UUID_that_was_set()
    {
        byte[] uuid = [.. Enumerable.Range(1, 16).Select(index => (byte)index)];
        byte[] found = new byte[16];
        MockDriver.SetUuid(1, uuid);
        fixed (byte* bytes = found)
        {
            ((delegate* unmanaged<byte*, int, int>)MockDriver.Export("cuDeviceGetUuid_v2"))(bytes,
                CudaDevices.Ordinal(1));
        }

        Assert.That(found, Is.EqualTo(uuid));
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
