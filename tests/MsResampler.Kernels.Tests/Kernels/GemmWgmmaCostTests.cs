using System.Text.RegularExpressions;
using MsResampler.Cli.Ptx;
using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Ptx.Writing;
using MsResampler.Kernels.Tests.Compiler;
using MsResampler.Kernels.Tests.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>Products by warpgroups as assembled: what a block needs, and what a warp executes for a slice.</summary>
[Parallelizable(ParallelScope.All)]
public sealed partial class GemmWgmmaCostTests
{
    private const int Architecture = 90;
    private const int RegistersOfMultiprocessor = 65536;
    private const int SharedBytesOfMultiprocessor = 228 << 10;

    /// <summary>The system's share of shared memory per block.</summary>
    private const int ReservedSharedBytes = 1 << 10;

    /// <summary>Instructions of a warp for a slice beside its copies, as assembled: waits, the barrier, fences,
    /// descriptors, four products, and the places of slices in the ring.</summary>
    private const int InstructionsOfSlice = 57;

    /// <summary>An addition of 64 bits takes two, and the copy.</summary>
    private const int InstructionsOfCopy = 3;

    private static IEnumerable<KernelVariant> Kernels => KernelLibrary.All.Where(variant => variant.IsWritten);

    /// <summary>The kernels of one type: the others have the same instructions for it.</summary>
    private static IEnumerable<KernelVariant> KernelsOfHalf
        => Kernels.Where(variant => variant.Kernel.GenericTypeArguments.Contains(typeof(MmaFloat16)));

    [Test]
    public void Blocks_fit_into_a_multiprocessor_without_local_memory([ValueSource(nameof(Kernels))] object kernel)
    {
        IReadOnlyList<Ptxas> all = Ptxas.OrSkip("sm_90a");
        var variant = (KernelVariant)kernel;
        CompiledKernel compiled = variant.Compile(EmulatorHost.Compiler, KernelTarget.Hopper);
        using (Assert.EnterMultipleScope())
        {
            foreach (Ptxas ptxas in all)
            {
                PtxasReport report = ptxas.Assemble(compiled, Architecture);
                // Registers are allocated to warps in units of 256.
                int threadRegisters = (report.Registers + 7) / 8 * 8;
                Assert.That((report.StackBytes, report.SpillBytes), Is.EqualTo((0, 0)), $"{ptxas}");
                Assert.That(threadRegisters * variant.BlockSize * variant.BlockCount,
                    Is.LessThanOrEqualTo(RegistersOfMultiprocessor), $"{report.Registers} registers, {ptxas}");
                Assert.That(report.SharedBytes, Is.Zero, $"all shared memory is dynamic, {ptxas}");
                Assert.That((variant.SharedBytes + ReservedSharedBytes) * variant.BlockCount,
                    Is.LessThanOrEqualTo(SharedBytesOfMultiprocessor), $"{variant.SharedBytes} bytes, {ptxas}");
                // Among others, that the assembler lets products wait for each other.
                Assert.That(report.Messages, Is.Empty, $"{ptxas}");
            }
        }
    }

    /// <summary>A loop for the slices of a tile, within one for tiles: nothing is unrolled or repeated.</summary>
    [Test]
    public void A_slice_is_four_products_and_a_few_instructions_for_each_copy(
        [ValueSource(nameof(KernelsOfHalf))] object kernel)
    {
        IReadOnlyList<Ptxas> all = Ptxas.OrSkip("sm_90a");
        var variant = (KernelVariant)kernel;
        GemmShape shape = GemmShape.Wgmma.Single(shape => variant.Kernel.GenericTypeArguments[0] == shape.Tile);
        CompiledKernel compiled = variant.Compile(EmulatorHost.Compiler, KernelTarget.Hopper);
        // Copies of 16 bytes.
        int copies = (shape.Rows + shape.Columns) * shape.SliceBytes / 16 / shape.BlockSize;
        using (Assert.EnterMultipleScope())
        {
            foreach (Ptxas ptxas in all)
            {
                MachineCode code = ptxas.Disassemble(compiled, Architecture);
                MachineCode slice = ptxas.DisassembleUsualPath(compiled, Architecture, "HGMMA");
                int count = slice.Instructions.Values.Sum();
                TestContext.Out.WriteLine($"{count} instructions for a slice with {copies} copies, {ptxas}");
                Assert.That((code.Count("HGMMA"), slice.Count("HGMMA"), slice.Count("LDGSTS")),
                    Is.EqualTo((4, 4, copies)), $"{ptxas}");
                Assert.That((slice.Count("WARPGROUP.ARRIVE"), slice.Count("WARPGROUP.DEPBAR"), slice.Count("BAR")),
                    Is.EqualTo((1, 1, 1)), $"{ptxas}");
                Assert.That(count, Is.LessThanOrEqualTo(InstructionsOfSlice + (InstructionsOfCopy * copies)),
                    $"{ptxas}: " + string.Join(", ", slice.Instructions.OrderByDescending(pair => pair.Value)));
            }
        }
    }

    [Test]
    public void Both_types_have_the_same_text_but_for_names_and_the_limit_of_C()
    {
        string[] half = [.. Kernels.Where(variant => variant.Name.Contains("MmaFloat16", StringComparison.Ordinal))
            .Select(Text)];
        string[] brain = [.. Kernels.Where(variant => variant.Name.Contains("MmaBFloat16", StringComparison.Ordinal))
            .Select(Text)];

        Assert.That(half, Is.Unique.And.Not.Empty);
        Assert.That(brain, Is.EqualTo(half));

        static string Text(KernelVariant variant) => Limit().Replace(variant
            .Compile(EmulatorHost.Compiler, KernelTarget.Hopper).Ptx
            .Replace("BFloat16", "Float16", StringComparison.Ordinal)
            .Replace("bf16", "f16", StringComparison.Ordinal), "$1limit");
    }

    /// <summary>The message that the tests above look for.</summary>
    [Test]
    public void The_assembler_reports_products_that_wait_for_each_other()
    {
        CompiledKernel kernel = WrittenText.Compile(writer =>
        {
            U64 descriptor = writer.Widen(writer.Thread);
            PtxView target = writer.View("target", sizeof(float));
            F32[] sums = [.. Enumerable.Range(0, 4).Select(_ => writer.FloatVariable(0))];
            writer.FenceSums();
            writer.MultiplyMatrices(MatrixType.Float16, sums, descriptor, descriptor, null);
            writer.CommitProducts();
            // Before the wait.
            writer.Set(sums[0], sums[0] + sums[1]);
            writer.WaitForProducts(0);
            writer.StoreGlobal(target.Address, 0, sums);
        });
        foreach (Ptxas ptxas in Ptxas.OrSkip("sm_90a"))
            Assert.That(ptxas.Assemble(kernel, Architecture).Messages, Does.Match(@"^\(C75\d\d\) .*serialized"));
    }

    [Test]
    public void The_usual_path_of_a_loop_leaves_out_its_rarest_part()
    {
        const string Listing = """
                    /*0000*/                   HGMMA.64x8x16.F32 R4, gdesc[UR4], R4 ;  /* 0x0000000402047981 */
                    /*0010*/               @P0 BRA 0x60 ;                              /* 0x0000000402047981 */
                    /*0020*/                   LDGSTS.E.BYPASS.128 [R2], [R4.64] ;     /* 0x0000000402047981 */
                    /*0030*/              @!P1 BRA 0x60 ;                              /* 0x0000000402047981 */
                    /*0040*/                   IMAD R1, R1, R1, R1 ;                   /* 0x0000000402047981 */
                    /*0050*/                   IMAD R1, R1, R1, R1 ;                   /* 0x0000000402047981 */
                    /*0060*/                   FADD R1, R1, R1 ;                       /* 0x0000000402047981 */
                    /*0070*/               @P2 BRA 0x0 ;                               /* 0x0000000402047981 */
                    /*0080*/               @P2 BRA 0x90 ;                              /* 0x0000000402047981 */
                    /*0090*/                   EXIT ;                                  /* 0x000000000000794d */
            """;

        MachineCode path = Ptxas.FindUsualPath(Listing, "HGMMA");

        Assert.That(path.Instructions.Values.Sum(), Is.EqualTo(6));
        Assert.That((path.Count("IMAD"), path.Count("LDGSTS"), path.Count("BRA")), Is.EqualTo((0, 1, 3)));
        Assert.That(Ptxas.FindUsualPath("""
                    /*0000*/                   FADD R1, R1, R1 ;                       /* 0x0000000402047981 */
                    /*0010*/               @P2 BRA 0x0 ;                               /* 0x0000000402047981 */
            """, "FADD").Instructions.Values.Sum(), Is.EqualTo(2));
    }

    [GeneratedRegex(@"(min\.f32 %f\d+, %f\d+, )0f[0-9A-F]+")]
    private static partial Regex Limit();
}
