using MsResampler.Cli.Ptx;
using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Tests.Compiler;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>The cost of tensor-core products: as emulated, as assembled, and as estimated for the choice of a
/// tile.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class GemmMmaCostTests
{
    private const int SquareCount = GemmMmaCheck.CountedSquares;

    private static readonly int[] s_architectures = [80, 86, 89, 90];

    /// <summary>All kernels. For a longer epilogue the counts are the same in both 16-bit types.</summary>
    private static IEnumerable<TestCaseData> Counted() => Kernels(GemmMmaCase.OnePerElement[0],
        GemmMmaCase.OnePerElement[2]);

    private static IEnumerable<TestCaseData> Assembled() => Kernels([.. GemmMmaCase.OnePerElement]);

    private static IEnumerable<TestCaseData> Kernels(params GemmMmaCase[] ofEpilogues) =>
        from finish in Enum.GetValues<GemmMmaFinish>()
        from types in finish == GemmMmaFinish.Linear ? GemmMmaCase.All : ofEpilogues
        from shape in GemmShape.Mma
        select new TestCaseData(types, shape, finish).SetArgDisplayNames(types.ToString(), shape.Tile.Name,
            finish.ToString());

    [TestCaseSource(nameof(Counted))]
    public void Shared_memory_has_no_conflicts_and_sectors_are_used_fully(object types, object shape,
        GemmMmaFinish finish)
    {
        var kernels = (GemmMmaCase)types;
        var tile = (GemmShape)shape;
        var size = new GemmMmaSize(2 * tile.Rows, 2 * tile.Columns, 8 * kernels.StepElements);
        LaunchReport report = Measure(kernels, tile, size, finish);

        long inputSectors = 4L * (tile.Rows + tile.Columns) * 8;
        bool isScaled = finish == GemmMmaFinish.Scaled;
        // The squares of a row once per block; its index in the table; and 64 bytes of the table per 16 columns.
        long scaleSectors = isScaled ? (4 * tile.Rows / 8 * SquareCount) + (size.Rows * (size.Columns / 32 / 8))
            + (size.Rows * (size.Columns / 8)) : 0;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.SharedBankConflicts, Is.Empty);
            Assert.That(report.GlobalSectors, Is.LessThanOrEqualTo(1.1 * report.IdealSectors));
            Assert.That(report.MatrixInstructions,
                Is.EqualTo((long)size.Rows / 16 * (size.Columns / 8) * (size.Inner / kernels.StepElements)));
            // A and W once per tile, and the bias once per warp.
            Assert.That(report.GlobalLoadSectors,
                Is.InRange(inputSectors, (1.1 * inputSectors) + scaleSectors));
            Assert.That(report.Barriers, Is.EqualTo(4 * ((8 / 2) + (isScaled ? 2 : 0))),
                "one for each slice of each block, and two to pass scales");
        }
    }

    [Test]
    public void Storing_by_groups_of_columns_uses_whole_sectors([Values(0, 1, 2)] int types)
    {
        LaunchReport report = Measure(GemmMmaCase.OnePerElement[types], GemmShape.Small,
            new GemmMmaSize(128, 128, 64), GemmMmaFinish.Linear, isColumnMajor: true);

        Assert.That(report.GlobalStoreSectors, Is.EqualTo(report.IdealStoreSectors));
    }

    [TestCaseSource(nameof(Counted))]
    public void Ragged_edges_read_at_most_whole_tiles_without_conflicts(object types, object shape,
        GemmMmaFinish finish)
    {
        var kernels = (GemmMmaCase)types;
        var tile = (GemmShape)shape;
        var size = new GemmMmaSize(tile.Rows + 1, tile.Columns + 3, (6 * kernels.StepElements) + 4);
        LaunchReport report = Measure(kernels, tile, size, finish);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.SharedBankConflicts, Is.Empty);
            Assert.That(report.GlobalSectors, Is.LessThanOrEqualTo(1.1 * report.IdealSectors));
            if (finish != GemmMmaFinish.Scaled)
                Assert.That(report.GlobalLoadSectors, Is.LessThanOrEqualTo(4 * (tile.Rows + tile.Columns) * 7));
        }
    }

    [TestCaseSource(nameof(Assembled))]
    public void The_assembled_kernel_uses_no_local_memory(object types, object shape, GemmMmaFinish finish)
    {
        IReadOnlyList<Ptxas> all = Ptxas.OrSkip();
        var tile = (GemmShape)shape;
        CompiledKernel kernel = ((GemmMmaCase)types).KernelFor(tile, finish)
            .Compile(EmulatorHost.Compiler, 80);

        using (Assert.EnterMultipleScope())
        {
            foreach (Ptxas ptxas in all)
            {
                foreach (int architecture in s_architectures)
                {
                    string name = $"{ptxas}, sm_{architecture}";
                    PtxasReport report = ptxas.Assemble(kernel, architecture);
                    Assert.That((report.StackBytes, report.SpillBytes), Is.EqualTo((0, 0)), name);
                    Assert.That(report.Registers * tile.BlockSize * tile.BlockCount, Is.LessThanOrEqualTo(65536),
                        $"registers, {name}");
                    Assert.That(report.SharedBytes, Is.LessThanOrEqualTo(48 << 10));
                }
            }
        }
    }

    /// <summary>The assembler's output for a loop depends on the code after it. sm_86 and sm_89 have the instructions
    /// of sm_80.</summary>
    private static IEnumerable<TestCaseData> Loops() =>
        from finish in new[] { GemmMmaFinish.Linear, GemmMmaFinish.Squares, GemmMmaFinish.Scaled }
        from shape in GemmShape.Mma
        from architecture in finish == GemmMmaFinish.Linear ? s_architectures : [80, 90]
        select new TestCaseData(shape, architecture, finish).SetArgDisplayNames(shape.Tile.Name, $"sm_{architecture}",
            finish.ToString());

    [TestCaseSource(nameof(Loops))]
    public void The_main_loop_is_mostly_products(object shape, int architecture, GemmMmaFinish finish)
    {
        IReadOnlyList<Ptxas> all = Ptxas.OrSkip();
        CompiledKernel kernel = GemmMmaCase.HalfToHalf.KernelFor((GemmShape)shape, finish)
            .Compile(EmulatorHost.Compiler, 80);

        foreach (Ptxas ptxas in all)
        {
            MachineCode loop = ptxas.DisassembleLoop(kernel, architecture, "HMMA");
            Assert.That((double)loop.Count("HMMA") / loop.Instructions.Values.Sum(), Is.GreaterThanOrEqualTo(0.38),
                $"{ptxas}: " + string.Join(", ", loop.Instructions.OrderByDescending(pair => pair.Value)));
        }
    }

    /// <summary>One comparison and one addition for each register of A. The conversion unit would have a quarter of
    /// their rate.</summary>
    [TestCaseSource(typeof(GemmShape), nameof(GemmShape.Mma))]
    public void A_product_in_tf32_rounds_only_A_and_without_the_conversion_unit(object shape)
    {
        IReadOnlyList<Ptxas> all = Ptxas.OrSkip();
        var tile = (GemmShape)shape;
        CompiledKernel kernel = GemmMmaCase.OnePerElement[2].KernelFor(tile).Compile(EmulatorHost.Compiler, 80);

        foreach (Ptxas ptxas in all)
        {
            MachineCode loop = ptxas.DisassembleLoop(kernel, 80, "HMMA");
            int registers = tile.PartRows / 16 * 4 * 2;
            // One more addition finds the end of the rows.
            Assert.That((loop.Count("FSETP"), loop.Count("IMAD.IADD"), loop.Count("F2F"), loop.Count("F2FP")),
                Is.EqualTo((registers, registers + 1, 0, 0)), ptxas.ToString());
        }
    }

    [Test]
    public void The_shortest_loop_with_an_instruction_is_found()
    {
        const string Listing = """
                    /*0000*/                   MOV R1, c[0x0][0x28] ;                  /* 0x00000a0000017a02 */
                    /*0010*/                   FADD R1, R1, R1 ;                       /* 0x0000000402047981 */
                    /*0020*/                   HMMA.16816.F32 R4, R2, R3, R4 ;         /* 0x0000000402047981 */
                    /*0030*/               @P0 BRA 0x20 ;                              /* 0x0000000402047981 */
                    /*0040*/                   FADD R1, R1, R1 ;                       /* 0x0000000402047981 */
                    /*0050*/              @!P1 BRA 0x40 ;                              /* 0x0000000402047981 */
                    /*0060*/               @P2 BRA 0x10 ;                              /* 0x0000000402047981 */
                    /*0070*/                   BRA 0x70 ;                              /* 0x000000000000794d */
            """;

        MachineCode loop = Ptxas.FindLoop(Listing, "HMMA");

        Assert.That((loop.Count("HMMA"), loop.Instructions.Values.Sum()), Is.EqualTo((1, 2)));
        Assert.That(() => Ptxas.FindLoop(Listing, "LDSM"), Throws.InvalidOperationException);
    }

    [TestCase(144, 1024, 1, 108, 80, 64, 64, Description = "few tokens: as many blocks as there are")]
    [TestCase(576, 1024, 1, 108, 80, 128, 64, Description = "one image: 80 blocks of 128 × 64 are done in one go")]
    [TestCase(36864, 1024, 1, 108, 80, 128, 128, Description = "many images")]
    [TestCase(36864, 1024, 1, 132, 90, 128, 128, Description = "many images on a larger device")]
    [TestCase(256, 1024, 128, 108, 80, 128, 128, Description = "many products")]
    [TestCase(64, 4096, 64, 108, 80, 64, 64, Description = "a large tile would be half empty")]
    [TestCase(1, 1, 1, 108, 80, 64, 64, Description = "one element")]
    public void The_tile_is_chosen_by_the_product_and_the_device(int rowCount, int columnCount, int productCount,
        int multiprocessorCount, int architecture, int rows, int columns)
    {
        var device = new DeviceProperties("device", architecture, multiprocessorCount, 1L << 34, 48 << 10);

        GemmShape shape = GemmShape.For(new ProductExtent(productCount, rowCount, columnCount, 1024), sizeof(ushort),
            device);

        Assert.That((shape.Rows, shape.Columns), Is.EqualTo((rows, columns)));
    }

    /// <summary>For each slice of 128 × 128: the products, 128·128·32 multiply-adds; and at 128 bytes per cycle,
    /// writing 256 rows of 64 bytes and reading 8 times 96 or 4 times 128 rows. The table is in the README.</summary>
    [TestCase(80, 512, 64)]
    [TestCase(86, 1024, 32)]
    [TestCase(89, 1024, 32)]
    [TestCase(90, 427, 64)]
    [TestCase(120, 1024, 32)]
    public void Warps_of_a_large_tile_are_wide_where_others_would_wait_for_shared_memory(int architecture,
        int productCycles, int warpColumns)
    {
        var device = new DeviceProperties("device", architecture, 132, 1L << 34, 48 << 10);

        foreach (GemmShape shape in (GemmShape[])[GemmShape.Large, GemmShape.LargeWide])
            Assert.That(GemmCost.ProductCycles(shape, architecture), Is.EqualTo(productCycles).Within(0.5));
        Assert.That(GemmCost.SharedCycles(GemmShape.Large), Is.EqualTo(512));
        Assert.That(GemmCost.SharedCycles(GemmShape.LargeWide), Is.EqualTo(384));
        Assert.That(GemmShape.For(new ProductExtent(1, 65536, 1024, 1024), sizeof(ushort), device).PartColumns,
            Is.EqualTo(warpColumns));
    }

    [Test]
    public void A_launch_covers_every_product()
    {
        var device = new DeviceProperties("device", 80, 108, 1L << 34, 48 << 10);
        KernelVariant kernel = GemmMmaCase.HalfToHalf.KernelFor(GemmShape.Medium);

        Assert.That(GemmShape.Medium.LaunchFor(kernel, new ProductExtent(3, 129, 65, 64), device),
            Is.EqualTo(new LaunchSize(4, 3, 128)));
    }

    private static LaunchReport Measure(GemmMmaCase types, GemmShape shape, GemmMmaSize size, GemmMmaFinish finish,
        bool isColumnMajor = false)
        => GemmMmaCheck.Count(types, shape, size, finish, new GemmMmaRun
        {
            IsAligned = true,
            Layout = isColumnMajor ? GemmMmaLayout.ColumnMajorC : GemmMmaLayout.Consecutive,
        });
}
