using MsResampler.Cli.Ptx;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tests.Compiler;
using MsResampler.Kernels.Tests.Ptx;
using MsResampler.Kernels.Tiles;
using MsResampler.Perf.Ceilings;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Perf;

/// <summary>The kernels that measure the limits of a device: they execute all counted operations, and little
/// else.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class CeilingKernelTests
{
    private const int TileCount = MmaCeiling<MmaFloat16>.TileCount;
    private static readonly int[] s_architectures = [80, 86, 89, 90];

    private static IEnumerable<object> MmaKernels()
        => [CeilingKernels.Float16, CeilingKernels.BFloat16, CeilingKernels.TensorFloat32];

    [TestCase(typeof(MmaFloat16), 16)]
    [TestCase(typeof(MmaBFloat16), 16)]
    [TestCase(typeof(MmaTensorFloat32), 8)]
    public void Every_step_multiplies_every_pair_of_fragments(Type element, int depth)
    {
        const int StepCount = 3;
        const int Threads = 64;
        var random = new Random(1);
        // [tiles, 16, k] and [tiles, k, 8]. All sums of these small integers are exact.
        float[] a = [.. Enumerable.Range(0, TileCount * 16 * depth).Select(_ => (float)random.Next(-2, 3))];
        float[] b = [.. Enumerable.Range(0, TileCount * depth * 8).Select(_ => (float)random.Next(-2, 3))];
        var sums = new Float4[2 * Threads];

        LaunchReport report = KernelRun.Run(Compile(element), blockCount: 2, Threads, seed: 1, FragmentsA(),
            FragmentsB(), sums, StepCount);

        const int Products = StepCount * MmaCeiling<MmaFloat16>.RepeatCount;
        using (Assert.EnterMultipleScope())
        {
            for (int thread = 0; thread < sums.Length; thread++)
            {
                (int group, int place) = Math.DivRem(thread % 32, 4);
                Float4 expected = new(At(group, 2 * place), At(group, (2 * place) + 1), At(group + 8, 2 * place),
                    At(group + 8, (2 * place) + 1));
                Assert.That(sums[thread], Is.EqualTo(expected), $"thread {thread}");
            }

            Assert.That(report.MatrixInstructions, Is.EqualTo(4 * Products * TileCount * TileCount), "of four warps");
        }

        float At(int row, int column)
        {
            float sum = 0;
            for (int left = 0; left < TileCount; left++)
                for (int right = 0; right < TileCount; right++)
                    for (int k = 0; k < depth; k++)
                        sum += a[(((left * 16) + row) * depth) + k] * b[(((right * depth) + k) * 8) + column];
            return Products * sum;
        }

        // A register of 32 bits holds the elements of one or two k. Registers go from the lower half of k to the upper
        // half; for A, also from the upper 8 rows to the lower 8.
        UInt4[] FragmentsA() => [.. Enumerable.Range(0, TileCount * 32).Select(index =>
        {
            (int group, int place) = Math.DivRem(index % 32, 4);
            return new UInt4(Register(group, 0), Register(group + 8, 0), Register(group, 1), Register(group + 8, 1));

            uint Register(int row, int half) => Pack(half, place,
                k => a[((((index / 32) * 16) + row) * depth) + k]);
        })];

        UInt2[] FragmentsB() => [.. Enumerable.Range(0, TileCount * 32).Select(index =>
        {
            (int group, int place) = Math.DivRem(index % 32, 4);
            return new UInt2(Register(0), Register(1));

            uint Register(int half) => Pack(half, place, k => b[((((index / 32) * depth) + k) * 8) + group]);
        })];

        uint Pack(int half, int place, Func<int, float> at)
        {
            int k = half * depth / 2;
            return element == typeof(MmaTensorFloat32) ? BitConverter.SingleToUInt32Bits(at(k + place))
                : Bits(at(k + (2 * place))) | (Bits(at(k + (2 * place) + 1)) << 16);
        }

        uint Bits(float value) => element == typeof(MmaFloat16) ? BitConverter.HalfToUInt16Bits((Half)value)
            : BitConverter.SingleToUInt32Bits(value) >> 16;
    }

    [Test]
    public void The_operation_count_follows_from_the_shape_of_the_instruction()
        => Assert.That(
            (MmaCeiling<MmaFloat16>.FlopsPerStep, MmaCeiling<MmaTensorFloat32>.FlopsPerStep),
            Is.EqualTo((64 * 2L * 16 * 8 * 16, 64 * 2L * 16 * 8 * 8)));

    [Test]
    public void The_loop_is_at_least_90_percent_products_and_spills_nothing(
        [ValueSource(nameof(MmaKernels))] object kernel)
    {
        IReadOnlyList<Ptxas> all = Ptxas.OrSkip();
        var variant = (KernelVariant)kernel;
        CompiledKernel compiled = variant.Compile(EmulatorHost.Compiler, 80);
        using (Assert.EnterMultipleScope())
        {
            foreach (Ptxas ptxas in all)
            {
                foreach (int architecture in s_architectures)
                {
                    string name = $"{ptxas}, sm_{architecture}";
                    PtxasReport report = ptxas.Assemble(compiled, architecture);
                    MachineCode loop = ptxas.DisassembleLoop(compiled, architecture, "HMMA");
                    Assert.That((report.StackBytes, report.SpillBytes), Is.EqualTo((0, 0)), name);
                    Assert.That(report.Registers * variant.BlockSize * variant.BlockCount,
                        Is.LessThanOrEqualTo(65536), name);
                    Assert.That((double)loop.Count("HMMA") / loop.Instructions.Values.Sum(),
                        Is.GreaterThanOrEqualTo(0.9), $"{name}: " + string.Join(", ", loop.Instructions));
                }
            }
        }
    }

    /// <summary>No vectors, fewer and more than one round of the grid, and whole rounds of several loads.</summary>
    [Test]
    public void A_copy_moves_every_vector_once_and_in_whole_sectors(
        [Values(0, 1, 127, 128, 129, 384, 511, 512, 513, 4096)] int count)
    {
        const int Groups = 2;
        const int Threads = 64;
        var source = new Float4[count + 1];
        for (int index = 0; index < source.Length; index++)
            source[index] = new Float4(index, 0.5f, -index, 1);
        var destination = new Float4[count + 1];

        LaunchReport report = KernelRun.Run(CeilingKernels.Copy.Compile(EmulatorHost.Compiler, 80), Groups, Threads,
            seed: 1, source, destination, count);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(destination[..count], Is.EqualTo(source[..count]));
            Assert.That(destination[count], Is.Default);
            // The last round can split one warp, which then needs one more request per load.
            int sectors = (count + 1) / 2;
            Assert.That(report.GlobalLoadSectors, Is.InRange(sectors, sectors + CopyCeiling.LoadCount));
            Assert.That(report.GlobalStoreSectors, Is.InRange(sectors, sectors + CopyCeiling.LoadCount));
        }
    }

    [Test]
    public void A_copy_keeps_several_loads_in_flight([Values(80, 90)] int architecture)
    {
        IReadOnlyList<Ptxas> all = Ptxas.OrSkip();
        CompiledKernel kernel = CeilingKernels.Copy.Compile(EmulatorHost.Compiler, 80);

        foreach (Ptxas ptxas in all)
        {
            MachineCode code = ptxas.Disassemble(kernel, architecture);
            Assert.That(ptxas.Assemble(kernel, architecture).SpillBytes, Is.Zero, $"{ptxas}");
            Assert.That(code.Count("LDG.E.128"), Is.GreaterThanOrEqualTo(CopyCeiling.LoadCount), $"{ptxas}");
            Assert.That(code.Count("STG.E.128"), Is.GreaterThanOrEqualTo(CopyCeiling.LoadCount), $"{ptxas}");
            Assert.That(code.Count("LDL") + code.Count("STL"), Is.Zero, $"{ptxas}");
        }
    }

    [Test]
    public void The_empty_kernel_touches_no_memory()
    {
        LaunchReport report = KernelRun.Run(CeilingKernels.Empty.Compile(EmulatorHost.Compiler, 80), 3, 32, seed: 1,
            new int[1], 0);

        Assert.That(report.GlobalSectors, Is.Zero);
        Assert.That(report.WarpInstructions, Is.LessThanOrEqualTo(3 * 10), "of three warps");
    }

    private static CompiledKernel Compile(Type element)
    {
        KernelVariant variant = MmaKernels().Cast<KernelVariant>()
            .Single(kernel => kernel.Kernel.GetGenericArguments()[0] == element);
        return variant.Compile(EmulatorHost.Compiler, 80);
    }
}
