using MsResampler.Cpu;

namespace MsResampler.Tests.Cpu;

/// <summary>The notice of a native build that does not use all instructions of the processor.</summary>
public class CpuVariantTests
{
    [TestCase("vector128", "avx2")]
    [TestCase("vector128", "avx512")]
    [TestCase("avx2", "avx512")]
    [TestCase("scalar", "avx2")]
    public void A_native_build_with_too_narrow_vectors_is_reported(string chosen, string widest)
        => Assert.That(CpuVariant.DescribeUnused(chosen, isForced: false, isJustInTime: false, widest),
            Does.Contain($"uses {chosen}").And.Contain($"has {widest}").And.Contain("IlcInstructionSet"));

    [TestCase("avx512", false, false, "avx512")]
    [TestCase("avx2", false, false, "avx2")]
    [TestCase("vector128", false, false, null, Description = "the processor has no wider vectors or is not x86")]
    [TestCase("vector128", true, false, "avx512", Description = "MSRESAMPLER_CPU asked for it")]
    [TestCase("vector128", false, true, "avx512", Description = "a setting of .NET turned wider vectors off")]
    public void Other_builds_have_no_notice(string chosen, bool isForced, bool isJustInTime, string? widest)
        => Assert.That(CpuVariant.DescribeUnused(chosen, isForced, isJustInTime, widest), Is.Null);

    [Test]
    public void A_just_in_time_build_has_no_notice()
        => Assert.That(CpuVariant.All.Select(variant => variant.Warning), Is.All.Null);
}
