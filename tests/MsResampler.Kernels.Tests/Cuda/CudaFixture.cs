namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Tests on the mock driver. Each must leave nothing behind and break no rule.</summary>
[NonParallelizable]
internal abstract class CudaFixture
{
    /// <summary>A kernel that takes 24 bytes: an address, a count, an integer and a float.</summary>
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

    [OneTimeSetUp]
    public void RequireMock() => MockDriver.Require();

    [SetUp]
    public void Reset() => MockDriver.Reset();

    [TearDown]
    public void NothingIsLeftAndNoRuleWasBroken()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(MockDriver.ViolationCount, Is.Zero, MockDriver.LastViolation);
            Assert.That(MockDriver.LiveCount, Is.Zero, "objects of the driver are left");
            Assert.That(MockDriver.Log().Where(line => line.Contains(" left=")), Has.All.EndsWith(" left=0"),
                "left to the context's end");
            Assert.That(MockDriver.CurrentContext, Is.Zero, "a context was left current");
        }
    }

    protected static byte[] Bytes(int count, int seed)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
