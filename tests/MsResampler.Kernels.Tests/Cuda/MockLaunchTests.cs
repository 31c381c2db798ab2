using System.Globalization;
using System.Text;
using MsResampler.Kernels.Device.Cuda;
using MsResampler.Kernels.Tests.Compiler;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>The limits of launches.</summary>
internal sealed unsafe class MockLaunchTests : MockDriverFixture
{
    private const int InvalidValue = 1;
    private const int OutOfResources = 701;

    /// <summary>A kernel of at most 128 threads with 40,000 bytes of shared memory and 12 bytes of arguments.</summary>
    private const string Bounded = """
        .version 7.0
        .target sm_60
        .address_size 64
        .visible .entry kernel(
            .param .u64 target,
            .param .u32 value
        )
        .maxntid 64, 2, 1
        {
            .shared .align 4 .b8 words[40000];
            .reg .b32 %r<3>;
            .reg .b64 %rd<3>;
            mov.u32 %r1, words;
            ld.shared.u32 %r2, [%r1 + 39996];
            ld.param.u64 %rd1, [target];
            cvta.to.global.u64 %rd2, %rd1;
            st.global.u32 [%rd2], %r2;
            ret;
        }
        """;

    private nint _module;
    private nint _stream;

    [SetUp]
    public void CreateStream()
    {
        _module = 0;
        CudaNative.CreateStream(out _stream, CudaNative.NonBlockingStream);
    }

    [TearDown]
    public void DestroyObjects()
    {
        if (_module != 0)
            CudaLibrary.Api.DestroyModule(_module);
        CudaLibrary.Api.DestroyStream(_stream);
    }

    [TestCase(128, 1, 1, 12, 0, 0)]
    [TestCase(129, 1, 1, 12, 0, InvalidValue, Description = ".maxntid")]
    [TestCase(0, 1, 1, 12, 0, InvalidValue)]
    [TestCase(32, 65_535, 65_535, 12, 0, 0)]
    [TestCase(32, 65_536, 1, 12, 0, InvalidValue)]
    [TestCase(32, 1, 65_536, 12, 0, InvalidValue)]
    [TestCase(32, 1, 1, 8, 0, InvalidValue)]
    [TestCase(32, 1, 1, 16, 0, InvalidValue)]
    [TestCase(32, 1, 1, 12, 49_152 - 40_000, 0)]
    [TestCase(32, 1, 1, 12, 49_152 - 40_000 + 1, InvalidValue)]
    public void A_launch_beyond_a_limit_is_refused(int blockSize, int gridY, int gridZ, int argumentBytes,
        int sharedBytes, int expected)
        => Assert.That(Launch(Load(Bounded), blockSize, gridY, gridZ, argumentBytes, sharedBytes),
            Is.EqualTo(expected));

    [TestCase(60, 48)]
    [TestCase(70, 96)]
    [TestCase(75, 64)]
    [TestCase(80, 163)]
    [TestCase(86, 99)]
    [TestCase(89, 99)]
    [TestCase(90, 227)]
    [TestCase(100, 227)]
    [TestCase(120, 99)]
    public void Static_and_permitted_shared_memory_fit_the_limit_of_the_architecture(int architecture, int kibibytes)
    {
        MockDriver.SetDevice(0, "Mock", architecture);
        nint function = Load(Bounded);
        int most = (kibibytes << 10) - 40_000;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(CudaDevices.Attribute(CudaDevices.Ordinal(0), CudaNative.MaxSharedBytesOptIn),
                Is.EqualTo(kibibytes << 10));
            Assert.That((int)CudaNative.SetFunctionAttribute(function, CudaNative.MaxDynamicSharedBytes, most + 1),
                Is.EqualTo(InvalidValue));
            Assert.That((int)CudaNative.SetFunctionAttribute(function, CudaNative.MaxDynamicSharedBytes, most),
                Is.Zero);
            Assert.That(Launch(function, 32, 1, 1, 12, most), Is.Zero);
            Assert.That(Launch(function, 32, 1, 1, 12, most + 1), Is.EqualTo(InvalidValue));
        }
    }

    [Test]
    public void A_block_with_more_registers_than_the_multiprocessor_is_refused()
    {
        Ptxas.OrSkip();
        // 150 values that are all loaded before the first is stored.
        StringBuilder text = new("""
            .version 7.0
            .target sm_60
            .address_size 64
            .visible .entry kernel(
                .param .u64 target
            )
            {
                .reg .b32 %r<150>;
                .reg .b64 %rd<3>;
                ld.param.u64 %rd1, [target];
                cvta.to.global.u64 %rd2, %rd1;

            """);
        for (int value = 0; value < 150; value++)
            text.Append(CultureInfo.InvariantCulture, $"ld.volatile.global.u32 %r{value}, [%rd2];\n");
        for (int value = 0; value < 150; value++)
            text.Append(CultureInfo.InvariantCulture, $"st.volatile.global.u32 [%rd2], %r{value};\n");
        nint function = Load(text.Append("ret;\n}\n").ToString());
        CudaNative.GetFunctionAttribute(out int registers, 4, function);
        CudaNative.GetFunctionAttribute(out int most, 0, function);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(registers, Is.InRange(150, 168));
            Assert.That(most, Is.EqualTo(384), "65,536 registers are enough for 12 warps");
            Assert.That(Launch(function, most, 1, 1, 8, 0), Is.Zero);
            Assert.That(Launch(function, most + 32, 1, 1, 8, 0), Is.EqualTo(OutOfResources));
        }
    }

    private nint Load(string ptx)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(ptx + "\0"))
            Assert.That((int)CudaNative.LoadModule(out _module, text, 0, null, null), Is.Zero);
        CudaLibrary.Api.GetModuleFunction(out nint function, _module, "kernel");
        return function;
    }

    private int Launch(nint function, int blockSize, int gridY, int gridZ, int argumentBytes, int sharedBytes)
    {
        byte* arguments = stackalloc byte[32];
        nint byteCount = argumentBytes;
        void** extra = stackalloc void*[] { (void*)1, arguments, (void*)2, &byteCount, null };
        return (int)CudaLibrary.Api.LaunchKernel(function, 1, gridY, gridZ, blockSize, 1, 1, sharedBytes, _stream, 0,
            (nint)extra);
    }
}
