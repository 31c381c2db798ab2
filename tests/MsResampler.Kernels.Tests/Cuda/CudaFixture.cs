namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Tests on the mock driver. Every test must release what it creates and must break no rule of the
/// driver.</summary>
/// <remarks><see cref="CudaLane"/> runs them one after another.</remarks>
internal abstract class CudaFixture
{
    private static int s_runningCount;

    /// <summary>A kernel with 24 bytes of parameters: an address, a count, an integer and a float.</summary>
    protected static CompiledKernel Kernel { get; } = new("scale", "scale",
        """
        .version 7.0
        .target sm_60
        .address_size 64
        .visible .entry scale(
            .param .align 8 .b8 values[16],
            .param .b32 first,
            .param .f32 factor
        )
        {
            ret;
        }
        """, [new KernelParameter(0, 16), new KernelParameter(16, 4), new KernelParameter(20, 4)], 24);

    /// <summary>The emulator behind the mock, if the test attached one.</summary>
    protected EmulatedBacking Emulator { get; private set; } = null!;

    [OneTimeSetUp]
    public void RequireMock() => MockDriver.Require();

    [SetUp]
    public void Reset()
    {
        Assert.That(Interlocked.Increment(ref s_runningCount), Is.EqualTo(1), "another test uses the mock driver");
        MockDriver.Reset();
    }

    [TearDown]
    public void CheckAndDetach()
    {
        try
        {
            AssertNothingIsLeft();
        }
        finally
        {
            Emulator?.Dispose();
            Emulator = null!;
            Interlocked.Decrement(ref s_runningCount);
        }
    }

    /// <summary>Puts the emulator behind the mock, which until then executes no kernels.</summary>
    protected void AttachEmulator()
    {
        Emulator ??= new EmulatedBacking();
        MockDriver.Attach(Emulator);
    }

    /// <summary>Asserts that no object of the driver is left, no rule was broken and the emulator reported
    /// nothing.</summary>
    protected static void AssertNothingIsLeft()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(MockDriver.BackingFailure, Is.Null);
            Assert.That(MockDriver.ViolationCount, Is.Zero, MockDriver.LastViolation);
            Assert.That(MockDriver.LiveCount, Is.Zero, "driver objects are left");
            Assert.That(MockDriver.Log().Where(line => line.Contains(" left=")), Has.All.EndsWith(" left=0"),
                "objects were left until the end of the context");
            Assert.That(MockDriver.CurrentContext, Is.Zero, "a context is still current");
        }
    }

    /// <summary>Repeats a test with the first use of a call failing, then the second, until no use fails.</summary>
    /// <param name="attempt">Runs the test with the n-th use failing; returns whether that use was reached.</param>
    protected static void FailEachUse(Func<int, bool> attempt)
    {
        int nth = 1;
        MockDriver.Reset();
        for (; attempt(nth); nth++)
            MockDriver.Reset();
        Assert.That(nth, Is.GreaterThan(1), "the call was never made");
    }

    protected static byte[] Bytes(int count, int seed)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
