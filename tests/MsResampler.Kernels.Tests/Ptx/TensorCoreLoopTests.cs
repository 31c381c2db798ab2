using System.Reflection;
using ILGPU;
using MsResampler.Cli.Ptx;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tests.Compiler;
using CompiledKernel = MsResampler.Kernels.Compiler.CompiledKernel;

namespace MsResampler.Kernels.Tests.Ptx;

/// <summary>All instructions together: a warp multiplies matrices through shared memory and accumulates in an
/// array.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class TensorCoreLoopTests
{
    private const int Size = 32;
    private const int StepDepth = 16;
    private const int TileCount = 2;

    private static readonly MethodInfo s_kernel = typeof(TensorCoreLoopTests)
        .GetMethod(nameof(Multiply), BindingFlags.NonPublic | BindingFlags.Static)!;

    private CompiledKernel _kernel = null!;

    [OneTimeSetUp]
    public void Compile()
    {
        var compiler = new KernelCompiler();
        _kernel = compiler.Compile(s_kernel, "multiply", 80);
    }

    [Test]
    public void The_product_is_correct()
    {
        const int Depth = 3 * StepDepth;
        var random = new Random(3);
        float[] a = [.. Enumerable.Range(0, Size * Depth).Select(_ => (float)random.Next(-8, 9))];
        float[] b = [.. Enumerable.Range(0, Size * Depth).Select(_ => (float)random.Next(-8, 9))];
        float[] c = new float[Size * Size];

        KernelRun.Run(_kernel, blockCount: 1, blockSize: 32, seed: 0, Halves(a), Halves(b), c, Depth);

        for (int row = 0; row < Size; row++)
        {
            for (int column = 0; column < Size; column++)
            {
                float sum = Enumerable.Range(0, Depth).Sum(k => a[(row * Depth) + k] * b[(column * Depth) + k]);
                Assert.That(c[(row * Size) + column], Is.EqualTo(sum), $"row {row}, column {column}");
            }
        }

        static ushort[] Halves(float[] values) =>
            [.. values.Select(value => BitConverter.HalfToUInt16Bits((System.Half)value))];
    }

    [TestCase(80)]
    [TestCase(86)]
    [TestCase(89)]
    [TestCase(90)]
    public void The_sums_are_in_registers(int architecture)
    {
        foreach (Ptxas ptxas in Ptxas.OrSkip())
        {
            PtxasReport report = ptxas.Assemble(_kernel, architecture);
            MachineCode code = ptxas.Disassemble(_kernel, architecture);

            Assert.That((report.StackBytes, report.SpillBytes), Is.EqualTo((0, 0)), $"{ptxas}");
            Assert.That(report.SharedBytes, Is.EqualTo(2 * Size * StepDepth * 2), $"{ptxas}");
            // 32 sums, 8 + 8 registers of fragments, and addresses: far below the limit of 255 per thread.
            Assert.That(report.Registers, Is.LessThanOrEqualTo(96), $"{ptxas}");
            // The assembler may unroll the outer loop, so only ratios are fixed: 8 products need 4 fragment loads.
            Assert.That(code.Count("HMMA.16816.F32"), Is.Positive, $"{ptxas}");
            Assert.That(code.Count("LDSM.16.M88.4") * 8, Is.EqualTo(code.Count("HMMA.16816.F32") * 4), $"{ptxas}");
            Assert.That(code.Count("LDL") + code.Count("STL"), Is.Zero, $"{ptxas}");
        }
    }

    /// <summary>C = A·Bᵀ for 32×32 C and matrices of float16 whose rows are <paramref name="depth"/> long.</summary>
    private static void Multiply(ArrayView<ushort> a, ArrayView<ushort> b, ArrayView<float> c, int depth)
    {
        ArrayView<UInt4> shared = SharedMemory.Allocate<UInt4>(2 * Size * StepDepth / 8);
        uint tileA = SharedMemoryAccess.AddressOf(ref shared[0]);
        uint tileB = tileA + (Size * StepDepth * 2);
        int lane = Group.IdxX;
        uint rowA = tileA + (uint)(2 * StepDepth * (lane & 15)) + (uint)(16 * (lane >> 4));
        uint rowB = tileB + (uint)(2 * StepDepth * ((lane & 7) + (8 * (lane >> 4)))) + (uint)(16 * ((lane >> 3) & 1));

        var sums = new Float4[TileCount * 2 * TileCount];
        for (int i = 0; i < TileCount * 2 * TileCount; i++)
            sums[i] = new Float4(0, 0, 0, 0);
        for (int k = 0; k < depth; k += StepDepth)
        {
            uint row = (uint)(2 * StepDepth * lane);
            for (int chunk = 0; chunk < 2; chunk++)
            {
                AsyncCopy.Start(tileA + row, 16 * chunk, ref a[(lane * depth) + k + (8 * chunk)]);
                AsyncCopy.Start(tileB + row, 16 * chunk, ref b[(lane * depth) + k + (8 * chunk)]);
            }

            AsyncCopy.Commit();
            AsyncCopy.Wait(0);
            Group.Barrier();
            var fragmentsA = new UInt4[TileCount];
            for (int tile = 0; tile < TileCount; tile++)
                fragmentsA[tile] = LoadMatrix.X4(rowA, tile * 16 * StepDepth * 2);
            for (int column = 0; column < TileCount; column++)
            {
                UInt4 fragmentB = LoadMatrix.X4(rowB, column * 16 * StepDepth * 2);
                for (int tile = 0; tile < TileCount; tile++)
                {
                    int at = (tile * 2 * TileCount) + (2 * column);
                    sums[at] = Mma.F16(sums[at], fragmentsA[tile], fragmentB.X, fragmentB.Y);
                    sums[at + 1] = Mma.F16(sums[at + 1], fragmentsA[tile], fragmentB.Z, fragmentB.W);
                }
            }

            Group.Barrier();
        }

        for (int tile = 0; tile < TileCount; tile++)
        {
            for (int column = 0; column < 2 * TileCount; column++)
            {
                Float4 sum = sums[(tile * 2 * TileCount) + column];
                int at = (((tile * 16) + (lane >> 2)) * Size) + (column * 8) + (2 * (lane & 3));
                c[at] = sum.X;
                c[at + 1] = sum.Y;
                c[at + (8 * Size)] = sum.Z;
                c[at + (8 * Size) + 1] = sum.W;
            }
        }
    }
}
