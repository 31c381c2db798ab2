using MsResampler.Cli.Ptx;
using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Tests.Compiler;
using MsResampler.Perf.Ceilings;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>The cost of every kernel on real architectures, and its portability to other devices.</summary>
[Parallelizable(ParallelScope.All)]
public class KernelLibraryTests
{
    private const int RegistersOfMultiprocessor = 65536;
    private const int MaxStaticSharedBytes = 48 << 10;

    /// <summary>The limit of sm_86 and sm_89, which have the least.</summary>
    private const int SharedBytesOfMultiprocessor = 100 << 10;

    /// <summary>The system's share of shared memory per block, in addition to the declared size.</summary>
    private const int ReservedSharedBytes = 1 << 10;

    private static IReadOnlyList<KernelVariant> All => KernelLibrary.All;

    /// <summary>The kernels that are not assembled by tests of their own.</summary>
    private static IEnumerable<KernelVariant> Assembled
        => All.Where(variant => !variant.IsWritten
            && variant.Name.Split(' ')[0] is not ("GemmMma" or "ScopeAttentionMma"));

    /// <summary>The kernels that are compiled from C#.</summary>
    private static IEnumerable<KernelVariant> Compiled => All.Where(variant => !variant.IsWritten);

    /// <summary>One configuration of each kernel.</summary>
    private static IEnumerable<KernelVariant> OneOfEach => All.DistinctBy(variant => variant.Name.Split(' ')[0]);

    /// <summary>The kernels without PTX-only instructions.</summary>
    private static IEnumerable<KernelVariant> Portable => All.Where(variant => variant.MinArchitecture < 80);

    private static IEnumerable<KernelTarget> Targets => [60, 75, 80, KernelTarget.Hopper];

    [Test]
    public void Kernels_reach_their_occupancy_without_spills([ValueSource(nameof(Assembled))] object kernel,
        [Values(80, 86, 89, 90)] int architecture)
    {
        IReadOnlyList<Ptxas> all = Ptxas.OrSkip();
        var variant = (KernelVariant)kernel;
        CompiledKernel compiled = variant.Compile(EmulatorHost.Compiler, architecture);
        using (Assert.EnterMultipleScope())
        {
            foreach (Ptxas ptxas in all)
            {
                PtxasReport report = ptxas.Assemble(compiled, architecture);
                // Registers are allocated to warps in units of 256.
                int warpRegisters = (report.Registers + 7) / 8 * 8 * 32;
                Assert.That(report.SpillBytes, Is.Zero, $"spills, {ptxas}");
                Assert.That(report.StackBytes, Is.Zero, $"stack, {ptxas}");
                Assert.That(report.SharedBytes, Is.LessThanOrEqualTo(MaxStaticSharedBytes), $"{ptxas}");
                Assert.That(variant.BlockCount * (report.SharedBytes + ReservedSharedBytes),
                    Is.LessThanOrEqualTo(SharedBytesOfMultiprocessor), $"{ptxas}");
                Assert.That(variant.BlockCount * variant.BlockSize / 32 * warpRegisters,
                    Is.LessThanOrEqualTo(RegistersOfMultiprocessor), $"{ptxas}");
            }
        }
    }

    /// <summary>They wait for the kernels before them, which other targets cannot.</summary>
    [Test]
    public void On_Hopper_the_wait_for_other_kernels_takes_no_registers([ValueSource(nameof(Compiled))] object kernel)
    {
        // Of the assemblers of a driver that has dependent launches.
        IReadOnlyList<Ptxas> all = Ptxas.OrSkip("sm_90a");
        var variant = (KernelVariant)kernel;
        CompiledKernel other = variant.Compile(EmulatorHost.Compiler, 90);
        CompiledKernel hopper = variant.Compile(EmulatorHost.Compiler, KernelTarget.Hopper);
        using (Assert.EnterMultipleScope())
        {
            foreach (Ptxas ptxas in all)
            {
                PtxasReport expected = ptxas.Assemble(other, 90);
                PtxasReport report = ptxas.Assemble(hopper, 90);
                Assert.That(report.Registers, Is.LessThanOrEqualTo(expected.Registers), $"registers, {ptxas}");
                Assert.That(report with { Registers = expected.Registers }, Is.EqualTo(expected), $"{ptxas}");
            }
        }
    }

    /// <summary>The assembler moves no access before the wait: PREEXIT permits the kernels after to begin, ACQBULK
    /// waits.</summary>
    [Test]
    public void On_Hopper_the_machine_code_waits_before_it_accesses_global_memory(
        [ValueSource(nameof(OneOfEach))] object kernel)
    {
        IReadOnlyList<Ptxas> all = Ptxas.OrSkip("sm_90a");
        CompiledKernel compiled = ((KernelVariant)kernel).Compile(EmulatorHost.Compiler, KernelTarget.Hopper);
        List<string> opcodes = [.. all[0].Opcodes(compiled, 90)];
        int access = opcodes.FindIndex(opcode => opcode.Split('.')[0] is "LDG" or "STG" or "LD" or "ST" or "LDGSTS"
            or "ATOM" or "ATOMG" or "RED");
        Assert.That(opcodes.IndexOf("PREEXIT"), Is.Not.Negative);
        Assert.That(opcodes.IndexOf("ACQBULK"), Is.GreaterThan(opcodes.IndexOf("PREEXIT")).And.LessThan(access));
    }

    [Test]
    public void Every_kernel_waits_for_others_on_Hopper_and_none_elsewhere()
    {
        using (Assert.EnterMultipleScope())
        {
            foreach (KernelVariant variant in All)
            {
                Assert.That(variant.Compile(EmulatorHost.Compiler, KernelTarget.Hopper).WaitsForDependencies, Is.True,
                    variant.Name);
                foreach (int architecture in (int[])[variant.MinArchitecture, 80, 90, 120])
                {
                    if (variant.RunsOn(architecture))
                    {
                        Assert.That(variant.Compile(EmulatorHost.Compiler, architecture).Ptx,
                            Does.Not.Contain("griddepcontrol").And.Contain(".version 7.0\n"), variant.Name);
                    }
                }
            }
        }
    }

    [Test]
    public void Kernels_compile_to_OpenCL([ValueSource(nameof(Portable))] object kernel)
        => Assert.That(OpenClSource.Compile(((KernelVariant)kernel).Entry), Does.Contain("kernel void"));

    /// <summary>Without .rn the assembler may contract a product and a sum, and the same C# would round differently
    /// from kernel to kernel. PTX ISA, add, sub, mul and mad.</summary>
    [Test]
    public void Every_float_operation_states_its_rounding([ValueSource(nameof(Targets))] object target)
    {
        using (Assert.EnterMultipleScope())
        {
            foreach (KernelVariant variant in All.Where(variant => variant.RunsOn((KernelTarget)target)))
            {
                string ptx = variant.Compile(EmulatorHost.Compiler, (KernelTarget)target).Ptx;
                Assert.That(ptx, Does.Not.Match(@"\b(add|sub|mul|mad|fma)(\.(ftz|sat))*\.b?f(16|32|64)"), variant.Name);
            }
        }
    }

    [Test]
    public void Kernel_names_are_unique()
    {
        KernelVariant[] kernels = [.. All, CeilingKernels.Float16, CeilingKernels.BFloat16,
            CeilingKernels.TensorFloat32, CeilingKernels.Copy, CeilingKernels.Empty];

        Assert.That(kernels.Select(variant => variant.Name), Is.Unique);
        Assert.That(kernels.Select(variant => KernelName.Entry(variant.Kernel)), Is.Unique
            .And.Contains("GemmTiled_GemmTile64_LinearEpilogue").And.All.Match("^[A-Za-z][A-Za-z0-9_]*$"));
    }
}
