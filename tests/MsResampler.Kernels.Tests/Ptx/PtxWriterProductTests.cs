using MsResampler.Kernels.Ptx.Writing;

namespace MsResampler.Kernels.Tests.Ptx;

/// <summary>Products by warpgroups of the writer on the emulator.</summary>
public sealed class PtxWriterProductTests
{
    /// <summary>Of three products, block 0 replaces its sums by the first one, and block 1 by the second one.</summary>
    [TestCase(MatrixType.Float16)]
    [TestCase(MatrixType.BFloat16)]
    public void Products_by_warpgroups_are_added_or_replace_sums(object matrixType)
    {
        const int Rows = 64;
        const int Columns = 16;
        const int Inner = 16;
        const int Start = 1000;
        var type = (MatrixType)matrixType;
        var random = new Random(5);
        float[] a = [.. Enumerable.Range(0, Rows * Inner).Select(_ => (float)random.Next(-9, 10))];
        float[] b = [.. Enumerable.Range(0, Columns * Inner).Select(_ => (float)random.Next(-9, 10))];
        float[] results = new float[2 * Rows * Columns];
        CompiledKernel kernel = WrittenText.Compile(writer =>
        {
            U32 thread = writer.Thread;
            PtxView aView = writer.View("a", 16);
            PtxView bView = writer.View("b", 16);
            U32 shared = writer.DynamicShared(128);
            U32 second = shared + (Rows * Inner * sizeof(ushort));
            // Each thread copies a row of eight elements of a core matrix, in the order of the matrices in memory.
            writer.StartCopy(shared + (thread * 16), 0, writer.WideMultiplyAdd(thread, 16, aView.Address), 16);
            writer.If(thread < Columns * Inner / 8, () => writer.StartCopy(second + (thread * 16), 0,
                writer.WideMultiplyAdd(thread, 16, bView.Address), 16));
            writer.CommitCopies();
            writer.WaitForCopies(0);
            writer.FenceProducts();
            writer.Barrier();
            // PTX ISA, Matrix Descriptor Format: 128 bytes to the next core matrix along k, 256 along rows.
            const long Strides = (128L >> 4 << 16) | (256L >> 4 << 32);
            U64 aMatrix = writer.Widen(shared / 16) + Strides;
            U64 bMatrix = writer.Widen(second / 16) + Strides;
            F32[] sums = [.. Enumerable.Range(0, Columns / 2).Select(_ => writer.FloatVariable(Start))];
            Predicate isSecond = writer.Block.IsNot(0);
            writer.FenceSums();
            writer.MultiplyMatrices(type, sums, aMatrix, bMatrix, isSecond);
            writer.MultiplyMatrices(type, sums, aMatrix, bMatrix, !isSecond);
            writer.MultiplyMatrices(type, sums, aMatrix, bMatrix, null);
            writer.CommitProducts();
            writer.WaitForProducts(0);
            U64 place = writer.WideMultiplyAdd(writer.MultiplyAdd(writer.Block, 128, thread),
                sizeof(float) * Columns / 2, writer.View("results", sizeof(float)).Address);
            writer.StoreGlobal(place, 0, sums.AsSpan(0, 4));
            writer.StoreGlobal(place, 16, sums.AsSpan(4, 4));
        }, threadCount: 128);

        KernelRun.Run(kernel, new LaunchSize(2, 1, 128, (Rows + Columns) * Inner * sizeof(ushort)), seed: 1,
            Cores(a), Cores(b), results);

        for (int index = 0; index < results.Length; index++)
        {
            // PTX ISA, Register Fragments for wgmma.mma_async: accumulator D of .m64nNk16.
            (int thread, int element) = (index / 8 % 128, index % 8);
            int row = (thread / 32 * 16) + (thread % 32 / 4) + (element / 2 % 2 * 8);
            int column = (element / 4 * 8) + (thread % 4 * 2) + (element % 2);
            float product = Enumerable.Range(0, Inner).Sum(k => a[(row * Inner) + k] * b[(column * Inner) + k]);
            Assert.That(results[index], Is.EqualTo((index < Rows * Columns ? 3 : 2) * product),
                $"row {row}, column {column}");
        }

        // Core matrices of eight rows of eight elements, those of the same rows one after the other.
        ushort[] Cores(float[] matrix) => [.. Enumerable.Range(0, matrix.Length).Select(index =>
        {
            int row = (index / 128 * 8) + (index / 8 % 8);
            float value = matrix[(row * Inner) + (index / 64 % 2 * 8) + (index % 8)];
            return type == MatrixType.Float16 ? BitConverter.HalfToUInt16Bits((Half)value)
                : (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
        })];
    }
}
