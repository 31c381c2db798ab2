using MsResampler.Cli.Ptx;
using MsResampler.Kernels.Engine;
using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Tests.Compiler;
using MsResampler.Kernels.Tests.Devices;
using NUnit.Framework;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>What products on tensor cores cost: as emulated, as assembled, and as the choice of a tile
/// estimates.</summary>
public sealed class GemmMmaCostTests
{
    private static readonly int[] s_architectures = [80, 86, 89, 90];

    private static IEnumerable<TestCaseData> Kernels() =>
        from types in GemmMmaCase.All
        from shape in GemmMmaShape.All
        select new TestCaseData(types, shape).SetArgDisplayNames(types.ToString(), shape.Tile.Name);

    [TestCaseSource(nameof(Kernels))]
    public void Shared_memory_has_no_conflicts_and_global_memory_no_waste(object types, object shape)
    {
        var kernels = (GemmMmaCase)types;
        var tile = (GemmMmaShape)shape;
        var size = new GemmMmaSize(2 * tile.Rows, 2 * tile.Columns, 8 * kernels.StepElements);
        LaunchReport report = Measure(kernels, tile, size);

        long inputSectors = 4L * (tile.Rows + tile.Columns) * 8;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.SharedBankConflicts, Is.Empty);
            Assert.That(report.GlobalSectors, Is.LessThanOrEqualTo(1.1 * report.IdealSectors));
            Assert.That(report.MatrixInstructions,
                Is.EqualTo((long)size.Rows / 16 * (size.Columns / 8) * (size.Inner / kernels.StepElements)));
            // A and W once for each tile, and the bias for each warp.
            Assert.That(report.GlobalLoadSectors, Is.InRange(inputSectors, 1.1 * inputSectors));
            Assert.That(report.Barriers, Is.EqualTo(4 * (8 / 2)), "one for each slice of each block");
        }
    }

    [TestCaseSource(nameof(Kernels))]
    public void Ragged_edges_have_no_conflicts_and_read_no_more_than_whole_tiles(object types, object shape)
    {
        var kernels = (GemmMmaCase)types;
        var tile = (GemmMmaShape)shape;
        var size = new GemmMmaSize(tile.Rows + 1, tile.Columns + 3, (6 * kernels.StepElements) + 4);
        LaunchReport report = Measure(kernels, tile, size);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.SharedBankConflicts, Is.Empty);
            Assert.That(report.GlobalSectors, Is.LessThanOrEqualTo(1.1 * report.IdealSectors));
            Assert.That(report.GlobalLoadSectors, Is.LessThanOrEqualTo(4 * (tile.Rows + tile.Columns) * 7));
        }
    }

    [TestCaseSource(nameof(Kernels))]
    public void It_is_assembled_without_local_memory(object types, object shape)
    {
        var tile = (GemmMmaShape)shape;
        CompiledKernel kernel = ((GemmMmaCase)types).KernelFor(tile).Compile(EmulatorHost.Compiler, 80);

        using (Assert.EnterMultipleScope())
        {
            foreach (int architecture in s_architectures)
            {
                PtxasReport report = Ptxas.Assemble(kernel, architecture);
                Assert.That((report.StackBytes, report.SpillBytes), Is.EqualTo((0, 0)), $"sm_{architecture}");
                Assert.That(report.Registers * tile.GroupSize * tile.BlockCount, Is.LessThanOrEqualTo(65536),
                    $"registers on sm_{architecture}");
                Assert.That(report.SharedBytes, Is.LessThanOrEqualTo(48 << 10));
            }
        }
    }

    [Test]
    public void Gelu_is_assembled_without_local_memory([Values(0, 1, 2, 3)] int shape)
    {
        CompiledKernel kernel = GemmMmaCase.HalfToHalf.KernelFor(GemmMmaShape.All[shape], hasGelu: true)
            .Compile(EmulatorHost.Compiler, 80);

        PtxasReport report = Ptxas.Assemble(kernel, 80);

        Assert.That((report.StackBytes, report.SpillBytes), Is.EqualTo((0, 0)));
    }

    [Test]
    public void The_main_loop_is_mostly_products(
        [Values(0, 1, 2, 3)] int shape, [Values(80, 86, 89, 90)] int architecture)
    {
        CompiledKernel kernel = GemmMmaCase.HalfToHalf.KernelFor(GemmMmaShape.All[shape])
            .Compile(EmulatorHost.Compiler, 80);

        MachineCode loop = Ptxas.DisassembleLoop(kernel, architecture, "HMMA");

        Assert.That((double)loop.Count("HMMA") / loop.Instructions.Values.Sum(), Is.GreaterThanOrEqualTo(0.38),
            string.Join(", ", loop.Instructions.OrderByDescending(pair => pair.Value)));
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
    public void The_tile_fits_the_product_and_the_device(int rowCount, int columnCount, int productCount,
        int multiprocessorCount, int architecture, int rows, int columns)
    {
        var device = new DeviceProperties("device", architecture, multiprocessorCount, 1L << 34, 48 << 10);

        GemmMmaShape shape = GemmMmaShape.For(rowCount, columnCount, productCount, device);

        Assert.That((shape.Rows, shape.Columns), Is.EqualTo((rows, columns)));
    }

    [TestCase(80, 256)]
    [TestCase(89, 256)]
    [TestCase(90, 128)]
    [TestCase(120, 128)]
    public void Large_tiles_have_wide_warps_from_Hopper_on(int architecture, int threads)
    {
        var device = new DeviceProperties("device", architecture, 132, 1L << 34, 48 << 10);

        Assert.That(GemmMmaShape.For(65536, 1024, 1, device).GroupSize, Is.EqualTo(threads));
    }

    [Test]
    public void A_launch_covers_every_product()
        => Assert.That(GemmMmaShape.Medium.LaunchFor(129, 65, 3), Is.EqualTo(new LaunchSize(4, 3, 128)));

    private static LaunchReport Measure(GemmMmaCase types, GemmMmaShape shape, GemmMmaSize size)
        => types.Run(shape, Values.Normal(size.Rows * size.Inner, 1), Values.Normal(size.Columns * size.Inner, 2),
            Values.Normal(size.Columns, 3), size, isAligned: true).Report;
}
