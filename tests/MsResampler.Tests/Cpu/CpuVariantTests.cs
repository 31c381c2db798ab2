using MsResampler.Cpu;

namespace MsResampler.Tests.Cpu;

/// <summary>The word that a native build says when it leaves instructions of the processor unused.</summary>
public class CpuVariantTests
{
    [TestCase("vector128", "avx2")]
    [TestCase("vector128", "avx512")]
    [TestCase("avx2", "avx512")]
    [TestCase("scalar", "avx2")]
    public void A_native_build_that_is_narrower_than_the_processor_says_so(string chosen, string widest)
        => Assert.That(CpuVariant.DescribeUnused(chosen, isForced: false, isJustInTime: false, widest),
            Does.Contain($"uses {chosen}").And.Contain($"has {widest}").And.Contain("IlcInstructionSet"));

    [TestCase("avx512", false, false, "avx512")]
    [TestCase("avx2", false, false, "avx2")]
    [TestCase("vector128", false, false, null, Description = "the processor has no more, or is none of x86")]
    [TestCase("vector128", true, false, "avx512", Description = "MSRESAMPLER_CPU asked for it")]
    [TestCase("vector128", false, true, "avx512", Description = "a setting of .NET turned wider vectors off")]
    public void Others_say_nothing(string chosen, bool isForced, bool isJustInTime, string? widest)
        => Assert.That(CpuVariant.DescribeUnused(chosen, isForced, isJustInTime, widest), Is.Null);

    [Test]
    public void Compiled_where_it_runs_there_is_nothing_to_say()
        => Assert.That(CpuVariant.All.Select(variant => variant.Warning), Is.All.Null);
}
