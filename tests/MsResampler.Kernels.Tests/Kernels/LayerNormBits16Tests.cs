using MsResampler.Kernels.Norm;
using MsResampler.Kernels.Tests.Ptx;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>Layer normalisation of 16-bit rows, compared with loops in double precision over the rounded
/// rows.</summary>
public sealed class LayerNormBits16Tests
{
    private const float Epsilon = 1e-6f;
    private const int WarpCount = 4;

    [Test]
    public void Rows_agree_with_loops([Values(0, 1)] int type,
        [Values(1, 2, 7, 8, 9, 127, 128, 129, 250, 1021)] int width)
    {
        const int RowCount = 6;
        Bits16Type half = Bits16Type.All[type];
        float[] source = Rounded(half, RowCount, width);
        float[] weight = Values.Normal(width, 2);
        float[] bias = Values.Normal(width, 3);
        int stride = (width + 7) / 8;

        (float[] actual, _) = Run(half, source, weight, bias, width, stride + 1, stride + 2);

        double worst = 0;
        for (int row = 0; row < RowCount; row++)
        {
            double[] values = [.. source.AsSpan(row * width, width).ToArray().Select(value => (double)value)];
            // A lane adds its quads, then the four elements and 32 lanes are added.
            NormBound bound = NormBound.Of(values, new double[width], weight, bias, Epsilon,
                ((width + 127) / 128) + 2 + 5);
            for (int column = 0; column < width; column++)
            {
                worst = Math.Max(worst, Math.Abs(actual[(row * width) + column] - bound.Values[column])
                    / half.Tolerance(bound.Values[column], bound.Errors[column]));
            }
        }

        Assert.That(worst, Is.InRange(0d, 1d), "the largest error relative to the allowed error");
    }

    /// <summary>The sweep of the float32 tests, within the range of the type.</summary>
    [Test]
    public void Rows_of_any_scale_and_offset_agree_with_loops([Values(0, 1)] int type)
    {
        const int Width = 131;
        Bits16Type half = Bits16Type.All[type];
        float[][] rows = [.. LayerNormTests.Sweep(Width).Select(row => row.Select(half.Round).ToArray())
            .Where(row => row.All(float.IsFinite))];
        float[] weight = Values.Normal(Width, 2);
        float[] bias = Values.Normal(Width, 3);

        (float[] actual, _) = Run(half, [.. rows.SelectMany(row => row)], weight, bias, Width, 17, 17);

        double worst = 0;
        for (int row = 0; row < rows.Length; row++)
        {
            NormBound bound = NormBound.Of([.. rows[row].Select(value => (double)value)], new double[Width], weight,
                bias,
                Epsilon, 2 + 2 + 5);
            for (int column = 0; column < Width; column++)
            {
                worst = Math.Max(worst, Math.Abs(actual[(row * Width) + column] - bound.Values[column])
                    / half.Tolerance(bound.Values[column], bound.Errors[column]));
            }
        }

        Assert.That(worst, Is.InRange(0d, 1d), "the largest error relative to the allowed error");
        Assert.That(rows, Has.Length.GreaterThan(20));
    }

    [Test]
    public void Rows_may_be_normalised_in_place_and_alone([Values(0, 1)] int type)
    {
        const int Width = 203;
        const int Stride = (Width + 7) / 8;
        Bits16Type half = Bits16Type.All[type];
        float[] source = Rounded(half, 5, Width);
        float[] weight = Values.Normal(Width, 2);
        float[] bias = Values.Normal(Width, 3);
        (float[] expected, _) = Run(half, source, weight, bias, Width, Stride, Stride);

        ushort[] rows = half.Rows(source, Width, Stride);
        Launch(half, rows, weight, bias, rows, [], rowCount: 5, Width, Stride, Stride, seed: 9);
        (float[] last, _) = Run(half, source[^Width..], weight, bias, Width, Stride, Stride);

        Assert.That(half.Read(rows, Width, Stride), Is.EqualTo(expected));
        Assert.That(last, Is.EqualTo(expected[^Width..]));
    }

    [Test]
    public void A_factor_of_a_row_multiplies_its_epsilon([Values(0, 1)] int type)
    {
        // The deviations are near √ε, so that ε is significant.
        const int Width = 133;
        Bits16Type half = Bits16Type.All[type];
        float[] source = [.. Rounded(half, 3, Width).Select(value => half.Round(value / 1024))];
        float[] units = [1, 16, 0.25f];
        float[] weight = Values.Normal(Width, 2);
        float[] bias = new float[Width];
        (float[] expected, _) = Run(half, source, weight, bias, Width, 17, 17);

        (float[] scaled, _) = Run(half, [.. source.Select((value, index) => value * units[index / Width])], weight,
            bias,
            Width, 17, 17, units);

        Assert.That(scaled, Is.EqualTo(expected));
    }

    [Test]
    public void A_row_with_a_NaN_or_infinity_becomes_NaN([Values(0, 1)] int type,
        [Values(float.NaN, float.PositiveInfinity, float.NegativeInfinity)] float value, [Values(0, 3, 132)] int column)
    {
        const int Width = 133;
        Bits16Type half = Bits16Type.All[type];
        float[] source = Rounded(half, 2, Width);
        source[column] = value;
        (float[] actual, _) = Run(half, source, Values.Normal(Width, 2), Values.Normal(Width, 3), Width, 17, 17);
        Assert.That(actual[..Width], Has.All.NaN);
        Assert.That(actual[Width..], Has.None.NaN);
    }

    [Test]
    public void Lanes_read_contiguously_without_barriers()
    {
        const int Width = 1024;
        const int RowCount = 8;

        (_, LaunchReport report) = Run(Bits16Type.Float16, Rounded(Bits16Type.Float16, RowCount, Width),
            Values.Normal(Width, 2), Values.Normal(Width, 3), Width, Width / 8, Width / 8);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.GlobalSectors, Is.EqualTo(report.IdealSectors));
            // The row three times and its first element once more, then weight and bias.
            Assert.That(report.GlobalLoadSectors, Is.EqualTo(RowCount * ((3 * Width / 16) + (2 * Width / 8) + 1)));
            Assert.That(report.GlobalStoreSectors, Is.EqualTo(RowCount * Width / 16));
            Assert.That(report.Count("shfl"), Is.EqualTo(RowCount * 4 * 5));
            Assert.That(report.Barriers, Is.Zero);
        }
    }

    [Test]
    public void The_assembled_kernel_uses_no_local_memory([Values(0, 1)] int type)
        => Bits16Type.AssembleWithoutLocalMemory(Bits16Type.All[type].KernelFor(typeof(LayerNormBits16<>)));

    /// <summary>Rows away from 0, so that a missing subtraction of the mean shows.</summary>
    private static float[] Rounded(Bits16Type half, int rowCount, int width)
        => [.. Values.Normal(rowCount * width, 1).Select(value => half.Round(value + 3))];

    private static (float[] Rows, LaunchReport Report) Run(
        Bits16Type half, float[] source, float[] weight, float[] bias,
        int width, int sourceStride, int stride, float[]? units = null)
    {
        int rowCount = source.Length / width;
        ushort[] destination = Bits16Type.Empty(rowCount, stride);
        LaunchReport report = Launch(half, half.Rows(source, width, sourceStride), weight, bias, destination,
            units ?? [],
            rowCount, width, sourceStride, stride, seed: 1);
        return (half.Read(destination, width, stride), report);
    }

    private static LaunchReport Launch(Bits16Type half, ushort[] source, float[] weight, float[] bias,
        ushort[] destination, float[] units, int rowCount, int width, int sourceStride, int stride, ulong seed)
        => KernelRun.Run(
            half.KernelFor(typeof(LayerNormBits16<>), 32 * WarpCount).Compile(EmulatorHost.Compiler, 80),
            (rowCount + WarpCount - 1) / WarpCount, 32 * WarpCount, seed, source, Bits16Type.Parameter(weight),
            Bits16Type.Parameter(bias), destination, units, new NormShape
            {
                RowCount = rowCount,
                Width = width,
                SourceStride = sourceStride,
                Stride = stride,
                RootEpsilon = MathF.Sqrt(Epsilon),
            });
}
