using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Training.Products;

namespace MsResampler.Training.Tests.Products;

/// <summary>The three products of a linear layer against loops in double precision.</summary>
[TestFixtureSource(typeof(SimdFixtures), nameof(SimdFixtures.All))]
internal sealed unsafe class ProductTests<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    private const float Guard = 12345.5f;

    /// <summary>The error of a chain of n multiply-adds of values below 1 is at most n·2⁻²⁴ times the sum of the
    /// magnitudes; rounding errors of random signs stay below a tenth of that for the sizes here.</summary>
    private const double Tolerance = 1e-5;

    private static readonly int s_panel = MicroKernel<TSimd, TVector>.PanelWidth;

    private static int[] Widths => [.. new[] { 1, 3, TSimd.Width, TSimd.Width + 1, s_panel - 1, s_panel, s_panel + 1,
        (2 * s_panel) + 5 }.Where(width => width > 0).Distinct()];

    // Around the heights of tiles, of ranges and of blocks of the inner dimension.
    private static int[] RowCounts => [1, 5, 6, 7, 8, 9, 37, 257];

    [Test]
    public void A_linear_layer_and_its_gradients_agree_with_loops([ValueSource(nameof(RowCounts))] int rows,
        [ValueSource(nameof(Widths))] int inputs, [Values(1, 3)] int threads)
    {
        foreach (int outputs in Widths)
            Check(rows, inputs, outputs, threads);
    }

    [TestCase(3, 1025, 7)]
    [TestCase(1100, 5, 1500)]
    [TestCase(300, 330, 290)]
    public void Products_longer_than_a_block_agree_with_loops(int rows, int inputs, int outputs)
        => Check(rows, inputs, outputs, threads: 2);

    [Test]
    public void Results_have_the_same_bits_with_any_number_of_threads()
    {
        float[] one = Compute(1);
        Assert.That(Compute(2), Is.EqualTo(one));
        Assert.That(Compute(5), Is.EqualTo(one));

        static float[] Compute(int threads)
        {
            const int Rows = 300, Inputs = 70, Outputs = 90;
            Layer layer = new(Rows, Inputs, Outputs, seed: 4);
            layer.Run(threads);
            return [.. layer.Y.Span, .. layer.InputGradient.Span, .. layer.WeightGradient.Span,
                .. layer.BiasGradient.Span];
        }
    }

    private static void Check(int rows, int inputs, int outputs, int threads)
    {
        Layer layer = new(rows, inputs, outputs, seed: rows + inputs + outputs);
        layer.Run(threads);
        string name = $"{rows} rows, {inputs} to {outputs}";
        Compare(layer.Y, rows, outputs, layer.YStride, inputs, (row, column) =>
        {
            double sum = layer.Bias.Span[column];
            for (int k = 0; k < inputs; k++)
                sum += (double)layer.X.Span[(row * layer.XStride) + k] * layer.Weight.Span[(column * inputs) + k];
            return sum;
        }, name + ", outputs");
        Compare(layer.InputGradient, rows, inputs, layer.XStride, outputs, (row, column) =>
        {
            double sum = Layer.Before;
            for (int k = 0; k < outputs; k++)
                sum += (double)layer.OutputGradient.Span[(row * layer.YStride) + k]
                    * layer.Weight.Span[(k * inputs) + column];
            return sum;
        }, name + ", input gradient");
        Compare(layer.WeightGradient, outputs, inputs, inputs, rows, (row, column) =>
        {
            double sum = Layer.Before;
            for (int k = 0; k < rows; k++)
                sum += (double)layer.OutputGradient.Span[(k * layer.YStride) + row]
                    * layer.X.Span[(k * layer.XStride) + column];
            return sum;
        }, name + ", weight gradient");
        Compare(layer.BiasGradient, 1, outputs, outputs, rows, (_, column) =>
        {
            double sum = Layer.Before;
            for (int k = 0; k < rows; k++)
                sum += layer.OutputGradient.Span[(k * layer.YStride) + column];
            return sum;
        }, name + ", bias gradient");
    }

    private static void Compare(AlignedBuffer actual, int rows, int columns, int stride, int terms,
        Func<int, int, double> expected, string name)
    {
        for (int index = 0; index < actual.Count; index++)
        {
            (int row, int column) = Math.DivRem(index, stride);
            float value = actual.Span[index];
            if (row >= rows || column >= columns)
            {
                if (value != Guard)
                    Assert.Fail($"{name}: row {row}, column {column} is outside and was written");
            }
            else if (!(Math.Abs(value - expected(row, column)) <= Tolerance * (1 + Math.Sqrt(terms))))
            {
                Assert.Fail($"{name}: row {row}, column {column}: expected {expected(row, column)}, found {value}");
            }
        }
    }

    /// <summary>A linear layer with random values, rows with gaps, and guards after each result.</summary>
    private sealed class Layer
    {
        public const float Before = 0.5f;

        private readonly int _rows;
        private readonly int _inputs;
        private readonly int _outputs;

        public Layer(int rows, int inputs, int outputs, int seed)
        {
            (_rows, _inputs, _outputs) = (rows, inputs, outputs);
            (XStride, YStride) = (inputs + 2, outputs + 3);
            X = Random(rows * XStride, seed);
            Weight = Random(outputs * inputs, seed + 1);
            Bias = Random(outputs, seed + 2);
            OutputGradient = Random(rows * YStride, seed + 3);
            Y = Filled(rows, outputs, YStride);
            InputGradient = Filled(rows, inputs, XStride);
            WeightGradient = Filled(outputs, inputs, inputs);
            BiasGradient = Filled(1, outputs, outputs);
        }

        public int XStride { get; }

        public int YStride { get; }

        public AlignedBuffer X { get; }

        public AlignedBuffer Weight { get; }

        public AlignedBuffer Bias { get; }

        public AlignedBuffer OutputGradient { get; }

        public AlignedBuffer Y { get; }

        public AlignedBuffer InputGradient { get; }

        public AlignedBuffer WeightGradient { get; }

        public AlignedBuffer BiasGradient { get; }

        public void Run(int threads)
        {
            ProductList<TSimd, TVector> list = new();
            list.Add(MatrixProduct.Linear(X.Pointer, XStride, _rows, Weight.Pointer, Bias.Pointer, _inputs, _outputs,
                Y.Pointer, YStride));
            list.Add(MatrixProduct.InputGradient(OutputGradient.Pointer, YStride, _rows, Weight.Pointer, _inputs,
                _outputs, InputGradient.Pointer, XStride, adds: true));
            list.Add(MatrixProduct.WeightGradient(OutputGradient.Pointer, YStride, _rows, X.Pointer, XStride, _inputs,
                _outputs, WeightGradient.Pointer));
            list.Cut(threads);
            AlignedBuffer scratch = new(ProductKernel<TSimd, TVector>.ScratchCount * threads);
            // Every thread takes some tasks, in an order in which panels follow their own and other ranges.
            for (int task = 0; task < list.TaskCount; task++)
            {
                int worker = task * 3 / 2 % threads;
                list.Execute(task, worker, scratch.Pointer + (worker * ProductKernel<TSimd, TVector>.ScratchCount),
                    CancellationToken.None);
            }

            for (int task = 0; task < ColumnSums<TSimd, TVector>.TaskCount(_outputs); task++)
                ColumnSums<TSimd, TVector>.Add(task, OutputGradient.Pointer, YStride, _rows, _outputs,
                    BiasGradient.Pointer);
            GC.KeepAlive(this);
        }

        private static AlignedBuffer Random(int count, int seed)
        {
            Random random = new(seed);
            AlignedBuffer buffer = new(count);
            foreach (ref float value in buffer.Span)
                value = (random.NextSingle() * 2) - 1;
            return buffer;
        }

        private static AlignedBuffer Filled(int rows, int columns, int stride)
        {
            AlignedBuffer buffer = new((rows * stride) + s_panel);
            buffer.Span.Fill(Guard);
            for (int row = 0; row < rows; row++)
                buffer.Span.Slice(row * stride, columns).Fill(Before);
            return buffer;
        }
    }
}
