using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Tests.Compiler;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>The estimated cost of a tile, compared with instructions as assembled and with sums by hand.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class GemmCostTests
{
    private static readonly DeviceProperties s_hopper = new("H200", 90, 132, 1L << 37, 227 << 10, IsHopper: true);

    private static IEnumerable<TestCaseData> Shapes() => GemmShape.Wgmma.Select(shape
        => new TestCaseData(shape).SetArgDisplayNames($"{shape.Rows} × {shape.Columns}"));

    [TestCaseSource(nameof(Shapes))]
    public void The_estimate_has_the_instructions_of_the_assembled_loops(object shape)
    {
        IReadOnlyList<Ptxas> all = Ptxas.OrSkip("sm_90a");
        var tile = (GemmShape)shape;
        double most = GemmCost.FinishInstructions(tile) + (2.5 * tile.Rows * tile.Columns / tile.BlockSize);
        using (Assert.EnterMultipleScope())
        {
            foreach (Ptxas ptxas in all)
            {
                (int Loop, int Finish) linear = Count<LinearEpilogue>(tile, ptxas);
                (int Loop, int Finish) squares = Count<SquaresEpilogue>(tile, ptxas);
                (int Loop, int Finish) scaled = Count<ScaledEpilogue>(tile, ptxas);
                TestContext.Out.WriteLine($"{ptxas}: {linear}, squares {squares}, scaled {scaled}");
                Assert.That(new[] { linear.Loop, squares.Loop, scaled.Loop },
                    Is.All.EqualTo(GemmCost.LoopInstructions(tile)).Within(5).Percent, $"{ptxas}, a slice");
                Assert.That(linear.Finish, Is.EqualTo(GemmCost.FinishInstructions(tile)).Within(5).Percent, $"{ptxas}");
                Assert.That(squares.Finish, Is.InRange(linear.Finish, most), $"{ptxas}, squares");
                Assert.That(scaled.Finish, Is.InRange(linear.Finish, most + 320), $"{ptxas}, scales");
            }
        }
    }

    /// <summary>No tile waits for issue slots, even if the cache delivers two sectors per cycle.</summary>
    [TestCaseSource(nameof(Shapes))]
    public void Instructions_take_less_time_than_copies_from_the_cache(object shape)
    {
        var tile = (GemmShape)shape;
        double issue = GemmCost.LoopInstructions(tile) * (tile.BlockSize / 32) / 4;

        Assert.That(issue, Is.LessThan((tile.Rows + tile.Columns) * 128 / 64.0));
    }

    /// <summary>One tile of 128 × 256 on each multiprocessor, one slice deep. Shared memory: 384 rows of 128 bytes are
    /// written, and 2 times 320 are read, at 128 bytes per cycle.</summary>
    [Test]
    public void The_cost_of_a_tile_is_that_of_its_parts()
    {
        GemmShape shape = GemmShape.Wgmma[0];
        const double CacheBytes = 5120.0 / 132;

        Assert.That(GemmCost.ProductCycles(shape, 90), Is.EqualTo(128 * 256 * 64 / 2048));
        Assert.That(GemmCost.SharedCycles(shape), Is.EqualTo(384 + 640));
        // The first slice arrives, the cache delivers it, bias arrives, and the results are stored.
        Assert.That(GemmCost.Cycles(shape, new ProductExtent(1, 128 * 132, 256, 64), 2, s_hopper), Is.EqualTo(
            800 + (16 + (384 * 128 / CacheBytes)) + 800 + (128 * 256 * 2 / CacheBytes)).Within(1e-6).Percent);
        // A second tile on one multiprocessor of two. The first slices are copied before. The busier one has more of
        // the cache, so that shared memory limits the slices, and the instructions of eight warps the ends of tiles.
        DeviceProperties two = s_hopper with { MultiprocessorCount = 2 };
        const double Finish = (181 + (4 * 12) + (4.5 * 128)) * 8 / 4;
        Assert.That(GemmCost.Cycles(shape, new ProductExtent(1, 128 * 3, 256, 64), 2, two), Is.EqualTo(
            800 + (2 * (16 + 1024 + 800 + Finish))).Within(1e-6).Percent);
    }

    /// <summary>A block of 64 × 64 of mma.sync that is alone on its multiprocessor has three copies under way, and the
    /// cache could deliver its slices faster; two blocks wait together.</summary>
    [Test]
    public void Few_small_blocks_wait_for_copies()
    {
        GemmShape shape = GemmShape.Small;
        DeviceProperties device = new("A100", 80, 1, 1L << 34, 48 << 10);
        ProductExtent one = new(1, 64, 64, 32 * 100);
        double finish = GemmCost.FinishInstructions(shape) * 2 / 4;

        Assert.That(128 * 64 / 48.0, Is.LessThan(800 / 3.0));
        Assert.That(GemmCost.Cycles(shape, one, 2, device),
            Is.EqualTo(800 + (100 * 800 / 3.0) + 800 + finish).Within(1e-6).Percent);
        Assert.That(GemmCost.Cycles(shape, one with { Rows = 128 }, 2, device),
            Is.EqualTo(800 + (100 * 2 * (16 + (128 * 64 / 48.0))) + 800 + (2 * finish)).Within(1e-6).Percent);
    }

    /// <summary>What a warp executes for a slice, and for a tile besides.</summary>
    private static (int Loop, int Finish) Count<TEpilogue>(GemmShape shape, Ptxas ptxas)
        where TEpilogue : struct, IGemmMmaEpilogue
    {
        CompiledKernel kernel = shape.KernelFor<MmaFloat16, TEpilogue, GemmMmaFloat16>()
            .Compile(EmulatorHost.Compiler, KernelTarget.Hopper);
        return (ptxas.DisassembleUsualPath(kernel, 90, "HGMMA").Instructions.Values.Sum(),
            ptxas.CountAround(kernel, 90, "HGMMA"));
    }
}
