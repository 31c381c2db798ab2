using MsResampler.Cpu.Integer;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Cpu.Integer;

[TestFixtureSource(typeof(IntegerFixtures), nameof(IntegerFixtures.Kernels))]
internal sealed unsafe class IntegerMatrixTests(string kernelName)
{
    private readonly IntegerKernel _kernel = IntegerFixtures.Kernel(kernelName);

    private static (int Columns, int Inner)[] Sizes => [(1, 1), (3, 5), (8, 4), (17, 66), (64, 31), (130, 33)];

    [Test]
    public void Rows_are_rounded_one_by_one_and_packed_with_their_sums([Values] IntegerType type,
        [ValueSource(nameof(Sizes))] (int Columns, int Inner) size)
    {
        (int columns, int inner) = size;
        float[] weight = Values.Array(columns * inner, seed: 1);
        float[] bias = Values.Array(columns, seed: 2);
        weight.AsSpan(0, inner).Clear();

        IntegerMatrix matrix = IntegerMatrix.FromWeights(weight, columns, inner, type, _kernel, bias);

        Assert.That(matrix.BiasValues.ToArray(), Is.EqualTo(bias));
        float[] copy = Copy(matrix);
        short[] integers = new short[inner];
        int width = matrix.PanelWidth;
        int stepLength = _kernel.StepLength(type);
        for (int column = 0; column < matrix.PanelCount * width; column++)
        {
            // Columns that only fill the last panel, and rows that only fill the last step, are zeros.
            float scale = 0;
            integers.AsSpan().Clear();
            if (column < columns)
            {
                scale = WeightQuantiser.Quantise(weight.AsSpan(column * inner, inner), type.MaxLevel(inner), integers);
                Assert.That(copy.AsSpan(column * inner, inner).ToArray(),
                    Is.EqualTo(integers.Select(integer => integer * scale)));
            }

            (int panel, int place) = Math.DivRem(column, width);
            Assert.That(matrix.Scales(panel)[place], Is.EqualTo(scale));
            Assert.That(matrix.Sums(panel)[place], Is.EqualTo(integers.Sum(integer => integer)));
            for (int k = 0; k < matrix.StepCount * stepLength; k++)
            {
                long index = (((k / stepLength * width) + place) * (long)stepLength) + (k % stepLength);
                int packed = type == IntegerType.Int8 ? ((sbyte*)matrix.Panel(panel))[index]
                    : ((short*)matrix.Panel(panel))[index];
                Assert.That(packed, Is.EqualTo(k < inner ? integers[k] : 0), $"row {k}, column {column}");
            }
        }

        GC.KeepAlive(matrix);
    }

    /// <summary>Whole panels stay in the memory of the matrix, other columns are copied. Both have the integers that
    /// their weights have when packed alone.</summary>
    [Test]
    public void A_part_of_the_columns_has_their_integers([Values] IntegerType type,
        [Values(0, 1, 5)] int first, [Values(1, 3, 70)] int count, [Values] bool isWholePanels)
    {
        const int Inner = 33;
        if (isWholePanels)
            (first, count) = (first * _kernel.PanelWidth, count * _kernel.PanelWidth);
        int columns = first + count + 3;
        float[] weight = Values.Array(columns * Inner, seed: 1);
        float[] bias = Values.Array(columns, seed: 2);
        float[] smoothing = [.. Enumerable.Range(0, Inner).Select(k => k % 2 == 0 ? 2f : 1f)];
        float[] part = weight.AsSpan(first * Inner, count * Inner).ToArray();
        IntegerMatrix whole = IntegerMatrix.FromWeights(weight, columns, Inner, type, _kernel, bias, smoothing);
        IntegerMatrix expected = IntegerMatrix.FromWeights(part, count, Inner, type, _kernel,
            bias.AsSpan(first, count), smoothing);

        IntegerMatrix actual = whole.Columns(first, count);

        Assert.That((actual.ColumnCount, actual.PanelCount), Is.EqualTo((count, expected.PanelCount)));
        Assert.That(Copy(actual), Is.EqualTo(Copy(expected)));
        Assert.That(actual.BiasValues.ToArray(), Is.EqualTo(bias.AsSpan(first, count).ToArray()));
        Assert.That(actual.Panel(0) == whole.Panel(first / _kernel.PanelWidth), Is.EqualTo(isWholePanels));
        for (int column = 0; column < count; column++)
        {
            (int panel, int place) = Math.DivRem(column, _kernel.PanelWidth);
            Assert.That((actual.Sums(panel)[place], actual.Scales(panel)[place], actual.Bias(panel)[place]),
                Is.EqualTo((expected.Sums(panel)[place], expected.Scales(panel)[place], expected.Bias(panel)[place])));
        }

        GC.KeepAlive(whole);
    }

    [Test]
    public void Both_orders_of_a_checkpoint_give_the_same_matrix([Values] IntegerType type, [Values] bool isSmoothed,
        [ValueSource(nameof(Sizes))] (int Columns, int Inner) size)
    {
        (int columns, int inner) = size;
        float[] weight = Values.Array(columns * inner, seed: 1);
        float[] transposed = new float[weight.Length];
        for (int index = 0; index < weight.Length; index++)
            transposed[(index % inner * columns) + (index / inner)] = weight[index];
        float[] bias = Values.Array(columns, seed: 2);
        float[] smoothing = isSmoothed ? Smoothing(inner) : [];

        IntegerMatrix expected = IntegerMatrix.FromWeights(weight, columns, inner, type, _kernel, bias, smoothing);
        IntegerMatrix fromRows = IntegerMatrix.FromWeights(Tensor(weight, columns, inner, isTransposed: false), type,
            _kernel, bias, smoothing);
        IntegerMatrix fromStored = IntegerMatrix.FromWeights(Tensor(transposed, columns, inner, isTransposed: true),
            type, _kernel, bias, smoothing);

        foreach (IntegerMatrix matrix in new[] { fromRows, fromStored })
        {
            Assert.That(Copy(matrix), Is.EqualTo(Copy(expected)));
            for (int column = 0; column < columns; column++)
            {
                (int panel, int place) = Math.DivRem(column, matrix.PanelWidth);
                Assert.That(matrix.Scales(panel)[place], Is.EqualTo(expected.Scales(panel)[place]));
                Assert.That(matrix.Sums(panel)[place], Is.EqualTo(expected.Sums(panel)[place]));
            }

            Assert.That(matrix.BiasValues.ToArray(), Is.EqualTo(bias));
            Assert.That(matrix.Bytes, Is.EqualTo(expected.Bytes));
        }
    }

    [Test]
    public void Smoothing_multiplies_the_weights_before_they_are_rounded([Values] IntegerType type)
    {
        const int Columns = 19;
        const int Inner = 33;
        float[] weight = Values.Array(Columns * Inner, seed: 1);
        float[] smoothing = Smoothing(Inner);
        float[] smoothed = [.. weight.Select((value, index) => value * smoothing[index % Inner])];

        IntegerMatrix matrix = IntegerMatrix.FromWeights(weight, Columns, Inner, type, _kernel, smoothing: smoothing);

        float[] expected = Copy(IntegerMatrix.FromWeights(smoothed, Columns, Inner, type, _kernel));
        float[] copy = Copy(matrix);
        for (int index = 0; index < copy.Length; index++)
        {
            // The integer times the scale is rounded, then the inverse and the product.
            Assert.That(copy[index], Is.EqualTo(expected[index] / smoothing[index % Inner])
                .Within(4 * Values.Roundoff * Math.Abs(copy[index])));
            Assert.That(matrix.InverseSmoothing[index % Inner], Is.EqualTo(1 / smoothing[index % Inner]));
        }

        GC.KeepAlive(matrix);
    }

    [Test]
    public void A_product_with_a_vector_uses_the_weights_as_they_are_rounded([Values] IntegerType type,
        [Values] bool isSmoothed)
    {
        const int Columns = 70;
        const int Inner = 33;
        IntegerMatrix matrix = IntegerMatrix.FromWeights(Values.Array(Columns * Inner, seed: 1), Columns, Inner, type,
            _kernel, smoothing: isSmoothed ? Smoothing(Inner) : []);
        double[] vector = [.. Values.Array(Inner, seed: 3).Select(value => (double)value)];

        double[] product = matrix.Multiply(vector);

        float[] weight = Copy(matrix);
        for (int column = 0; column < Columns; column++)
        {
            double expected = 0;
            for (int k = 0; k < Inner; k++)
                expected += vector[k] * weight[(column * Inner) + k];
            // The copied weights, at most 1, are rounded to float32 twice.
            Assert.That(product[column], Is.EqualTo(expected).Within(2 * Values.Roundoff * Inner));
        }

        Assert.That(matrix.Multiply(new double[Inner]), Is.All.Zero);
    }

    [Test]
    public void A_bias_is_rounded_and_has_to_be_finite()
    {
        IntegerMatrix matrix = IntegerMatrix.FromWeights(new float[3], 3, 1, IntegerType.Int8, _kernel);
        Assert.That(matrix.TrySetBias([1, 0.1, -2]), Is.True);
        Assert.That(matrix.BiasValues.ToArray(), Is.EqualTo(new[] { 1, 0.1f, -2 }));
        Assert.That(matrix.TrySetBias([1, 1e300, 0]), Is.False);
    }

    [Test]
    public void Longer_products_than_sums_can_hold_are_refused()
    {
        const int Inner = IntegerTypes.MaxInnerCount + 1;
        Assert.That(() => IntegerMatrix.FromWeights(new float[Inner], 1, Inner, IntegerType.Int8, _kernel),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("65537").And.Message.Contains("65536"));
    }

    private static float[] Smoothing(int count)
        => [.. Values.Array(count, seed: 7).Select(value => MathF.Exp(2 * value))];

    private static float[] Copy(IntegerMatrix matrix)
    {
        float[] weight = new float[matrix.ColumnCount * matrix.InnerCount];
        fixed (float* target = weight)
            matrix.CopyWeightTo(target);
        return weight;
    }

    private static WeightTensor Tensor(float[] stored, int rows, int columns, bool isTransposed)
    {
        TensorInfo info = new("w", TensorType.F32, isTransposed ? [columns, rows] : [rows, columns], stored.Length, 0,
            sizeof(float) * stored.Length, 0);
        return new WeightTensor(new ArraySource(stored), info, rows, columns, isStoredTransposed: isTransposed);
    }

    /// <summary>One tensor in memory.</summary>
    private sealed class ArraySource(float[] values) : ITensorSource
    {
        public string SourcePath => "memory";

        public IReadOnlyList<TensorInfo> Tensors => [];

        public IReadOnlyDictionary<string, TensorInfo> Aliases => new Dictionary<string, TensorInfo>();

        public IReadOnlyDictionary<string, string> Absent => new Dictionary<string, string>();

        public IReadOnlyList<string> Warnings => [];

        public void Read(TensorInfo tensor, long firstElement, Span<float> destination)
            => values.AsSpan((int)firstElement, destination.Length).CopyTo(destination);

        public void Read(TensorInfo tensor, long firstElement, Span<double> destination)
            => throw new NotSupportedException();

        public void ReadBytes(TensorInfo tensor, long firstByte, Span<byte> destination)
            => System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan())
                .Slice((int)firstByte, destination.Length).CopyTo(destination);

        public void Dispose()
        {
        }
    }
}
