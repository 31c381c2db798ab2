using System.Runtime.InteropServices;
using MsResampler.Cli.Ptx;
using MsResampler.Kernels.Gemm.Warpgroup;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tests.Compiler;
using MsResampler.Kernels.Tests.Ptx;
using MsResampler.Kernels.Tiles;
using MsResampler.Perf.Ceilings;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Perf;

/// <summary>The kernel that measures the limit of products by warpgroups.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class WgmmaCeilingTests
{
    private const int Rows = WgmmaCeiling<MmaFloat16>.Rows;
    private const int Columns = WgmmaCeiling<MmaFloat16>.Columns;
    private const int BlockSize = WgmmaCeiling<MmaFloat16>.BlockSize;
    private const int Depth = WgmmaCeiling<MmaFloat16>.Depth;
    private const int InstructionsPerStep = WgmmaCeiling<MmaFloat16>.RepeatCount * SliceTile.StepCount;

    private static IEnumerable<object> Kernels() => [CeilingKernels.WarpgroupFloat16, CeilingKernels.WarpgroupBFloat16];

    [Test]
    public void Every_step_multiplies_the_whole_tile([ValueSource(nameof(Kernels))] object kernel)
    {
        const int StepCount = 2;
        const int Blocks = 2;
        var variant = (KernelVariant)kernel;
        var random = new Random(1);
        // [rows, k]. All sums of these small integers are exact.
        float[] a = [.. Enumerable.Range(0, Rows * Depth).Select(_ => (float)random.Next(-2, 3))];
        float[] b = [.. Enumerable.Range(0, Columns * Depth).Select(_ => (float)random.Next(-2, 3))];
        UInt4[] operands = MemoryMarshal.Cast<ushort, UInt4>(((float[])[.. a, .. b]).Select(Bits).ToArray())
            .ToArray();
        var sums = new float[Blocks * BlockSize];

        LaunchReport report = KernelRun.Run(variant.Compile(EmulatorHost.Compiler, KernelTarget.Hopper),
            new LaunchSize(Blocks, 1, BlockSize, variant.SharedBytes), seed: 1, operands, sums, StepCount);

        using (Assert.EnterMultipleScope())
        {
            for (int thread = 0; thread < sums.Length; thread++)
            {
                // Warp w has rows 16w to 16w+15; a thread has two of them, and two columns of every eight.
                (int warp, int lane) = Math.DivRem(thread % BlockSize, 32);
                (int group, int place) = Math.DivRem(lane, 4);
                int row = (16 * warp) + group;
                float expected = Enumerable.Range(0, Columns / 8).Sum(part => At(row, (8 * part) + (2 * place))
                    + At(row, (8 * part) + (2 * place) + 1) + At(row + 8, (8 * part) + (2 * place))
                    + At(row + 8, (8 * part) + (2 * place) + 1));
                Assert.That(sums[thread], Is.EqualTo(expected), $"thread {thread}");
            }

            Assert.That(WgmmaCeiling<MmaFloat16>.FlopsPerStep, Is.EqualTo(InstructionsPerStep * 2 * 2L * 64 * 256 * 16),
                "of two warpgroups");
        }

        float At(int row, int column) => StepCount * WgmmaCeiling<MmaFloat16>.RepeatCount * Enumerable.Range(0, Depth)
            .Sum(k => a[(row * Depth) + k] * b[(column * Depth) + k]);

        ushort Bits(float value) => variant == CeilingKernels.WarpgroupFloat16
            ? BitConverter.HalfToUInt16Bits((Half)value) : (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
    }

    [Test]
    public void The_loop_is_little_more_than_products_and_spills_nothing([ValueSource(nameof(Kernels))] object kernel)
    {
        IReadOnlyList<Ptxas> all = Ptxas.OrSkip("sm_90a");
        var variant = (KernelVariant)kernel;
        CompiledKernel compiled = variant.Compile(EmulatorHost.Compiler, KernelTarget.Hopper);
        using (Assert.EnterMultipleScope())
        {
            foreach (Ptxas ptxas in all)
            {
                PtxasReport report = ptxas.Assemble(compiled, 90);
                MachineCode loop = ptxas.DisassembleLoop(compiled, 90, "HGMMA");
                Assert.That((report.StackBytes, report.SpillBytes), Is.EqualTo((0, 0)), $"{ptxas}");
                Assert.That(report.Registers * variant.BlockSize * variant.BlockCount, Is.LessThanOrEqualTo(65536),
                    $"{ptxas}");
                Assert.That(loop.Count("HGMMA"), Is.EqualTo(InstructionsPerStep), $"{ptxas}");
                // A product of 64 × 256 × 16 takes 128 cycles; the warps of a scheduler issue one instruction in each.
                Assert.That(loop.Instructions.Values.Sum(), Is.LessThan(InstructionsPerStep * 128 / 10),
                    $"{ptxas}: " + string.Join(", ", loop.Instructions));
            }
        }
    }
}
