using MsResampler.Cli.Ptx;
using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Tests.Compiler;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>What every kernel costs on real architectures, and that it is no CUDA-only code.</summary>
[Parallelizable(ParallelScope.All)]
public class KernelLibraryTests
{
    private const int RegistersOfMultiprocessor = 65536;
    private const int MaxStaticSharedBytes = 48 << 10;

    /// <summary>Of sm_86 and sm_89, which have the least.</summary>
    private const int SharedBytesOfMultiprocessor = 100 << 10;

    /// <summary>What every block takes beside what it declares.</summary>
    private const int ReservedSharedBytes = 1 << 10;

    private static IReadOnlyList<KernelVariant> All => KernelLibrary.All;

    /// <summary>Those whose own tests do not assemble them.</summary>
    private static IEnumerable<KernelVariant> Assembled
        => All.Where(variant => variant.Name.Split(' ')[0] is not ("GemmMma" or "ScopeAttentionMma"));

    /// <summary>Those without instructions that only PTX has.</summary>
    private static IEnumerable<KernelVariant> Portable => All.Where(variant => variant.MinArchitecture < 80);

    [Test]
    public void Kernels_fit_the_occupancy_they_ask_for_without_spills([ValueSource(nameof(Assembled))] object kernel,
        [Values(80, 86, 89, 90)] int architecture)
    {
        Ptxas ptxas = Ptxas.OrSkip();
        var variant = (KernelVariant)kernel;
        PtxasReport report = ptxas.Assemble(variant.Compile(EmulatorHost.Compiler, architecture), architecture);
        // Registers are handed out to warps in units of 256.
        int warpRegisters = (report.Registers + 7) / 8 * 8 * 32;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.SpillBytes, Is.Zero, "spills");
            Assert.That(report.StackBytes, Is.Zero, "stack");
            Assert.That(report.SharedBytes, Is.LessThanOrEqualTo(MaxStaticSharedBytes));
            Assert.That(variant.BlockCount * (report.SharedBytes + ReservedSharedBytes),
                Is.LessThanOrEqualTo(SharedBytesOfMultiprocessor));
            Assert.That(variant.BlockCount * variant.GroupSize / 32 * warpRegisters,
                Is.LessThanOrEqualTo(RegistersOfMultiprocessor));
        }
    }

    [Test]
    public void Kernels_compile_to_OpenCL([ValueSource(nameof(Portable))] object kernel)
        => Assert.That(OpenClSource.Compile(((KernelVariant)kernel).Entry), Does.Contain("kernel void"));

    [Test]
    public void Names_tell_kernels_apart()
        => Assert.That(All.Select(variant => variant.Name), Is.Unique);
}
