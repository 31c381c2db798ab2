using MsResampler.Kernels.Norm;
using MsResampler.Kernels.Tests.Devices;
using MsResampler.Kernels.Tests.Ptx;
using NUnit.Framework;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>Layer normalisation of 16-bit rows against loops in double precision over the rounded rows.</summary>
public sealed class LayerNormHalfTests
{
    private const float Epsilon = 1e-6f;
    private const int WarpCount = 4;

    [Test]
    public void Rows_agree_with_loops([Values(0, 1)] int type,
        [Values(1, 2, 7, 8, 9, 127, 128, 129, 250, 1021)] int width)
    {
        const int RowCount = 6;
        HalfType half = HalfType.All[type];
        float[] source = Rounded(half, RowCount, width);
        float[] weight = Values.Normal(width, 2);
        float[] bias = Values.Normal(width, 3);
        int[] outside = [0];
        int stride = (width + 7) / 8;

        (float[] actual, _) = Run(half, source, weight, bias, outside, width, stride + 1, stride + 2);

        double worst = 0;
        for (int row = 0; row < RowCount; row++)
        {
            double[] values = [.. source.AsSpan(row * width, width).ToArray().Select(value => (double)value)];
            // A lane adds its groups of four; then come four elements and 32 lanes.
            NormBound bound = NormBound.Of(values, new double[width], weight, bias, Epsilon,
                ((width + 127) / 128) + 2 + 5);
            for (int column = 0; column < width; column++)
            {
                worst = Math.Max(worst, Math.Abs(actual[(row * width) + column] - bound.Values[column])
                    / half.Tolerance(bound.Values[column], bound.Errors[column]));
            }
        }

        Assert.That(worst, Is.InRange(0d, 1d), "the worst error as a part of what is allowed");
        Assert.That(outside[0], Is.Zero);
    }

    /// <summary>As in float32, as far as the type reaches.</summary>
    [Test]
    public void Rows_of_any_scale_and_offset_agree_with_loops([Values(0, 1)] int type)
    {
        const int Width = 131;
        HalfType half = HalfType.All[type];
        float[][] rows = [.. LayerNormTests.Sweep(Width).Select(row => row.Select(half.Round).ToArray())
            .Where(row => row.All(float.IsFinite))];
        float[] weight = Values.Normal(Width, 2);
        float[] bias = Values.Normal(Width, 3);

        (float[] actual, _) = Run(half, [.. rows.SelectMany(row => row)], weight, bias, [0], Width, 17, 17);

        double worst = 0;
        for (int row = 0; row < rows.Length; row++)
        {
            NormBound bound = NormBound.Of([.. rows[row].Select(value => (double)value)], new double[Width], weight, bias,
                Epsilon, 2 + 2 + 5);
            for (int column = 0; column < Width; column++)
            {
                worst = Math.Max(worst, Math.Abs(actual[(row * Width) + column] - bound.Values[column])
                    / half.Tolerance(bound.Values[column], bound.Errors[column]));
            }
        }

        Assert.That(worst, Is.InRange(0d, 1d), "the worst error as a part of what is allowed");
        Assert.That(rows, Has.Length.GreaterThan(20));
    }

    [Test]
    public void Rows_may_be_normalised_in_place_and_alone([Values(0, 1)] int type)
    {
        const int Width = 203;
        const int Stride = (Width + 7) / 8;
        HalfType half = HalfType.All[type];
        float[] source = Rounded(half, 5, Width);
        float[] weight = Values.Normal(Width, 2);
        float[] bias = Values.Normal(Width, 3);
        (float[] expected, _) = Run(half, source, weight, bias, [0], Width, Stride, Stride);

        ushort[] rows = half.Rows(source, Width, Stride);
        Launch(half, rows, weight, bias, rows, [0], rowCount: 5, Width, Stride, Stride, seed: 9);
        (float[] last, _) = Run(half, source[^Width..], weight, bias, [0], Width, Stride, Stride);

        Assert.That(half.Read(rows, Width, Stride), Is.EqualTo(expected));
        Assert.That(last, Is.EqualTo(expected[^Width..]));
    }

    [TestCase(0, 65519f, false)]
    [TestCase(0, 65520f, true)]
    [TestCase(0, float.NaN, true)]
    [TestCase(1, 1e30f, false)]
    public void A_result_outside_float16_is_reported(int type, float bias, bool isOutside)
    {
        const int Width = 133;
        float[] biases = new float[Width];
        biases[^1] = bias;
        int[] outside = [0];

        Run(HalfType.All[type], Rounded(HalfType.All[type], 3, Width), new float[Width], biases, outside, Width,
            sourceStride: 17, stride: 17);

        Assert.That(outside[0], Is.EqualTo(isOutside ? 1 : 0));
    }

    [Test]
    public void Lanes_read_side_by_side_and_wait_for_nobody()
    {
        const int Width = 1024;
        const int RowCount = 8;

        (_, LaunchReport report) = Run(HalfType.Float16, Rounded(HalfType.Float16, RowCount, Width),
            Values.Normal(Width, 2), Values.Normal(Width, 3), [0], Width, Width / 8, Width / 8);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.GlobalSectors, Is.EqualTo(report.IdealSectors));
            // Three times the row and its first element once more, then weight and bias.
            Assert.That(report.GlobalLoadSectors, Is.EqualTo(RowCount * ((3 * Width / 16) + (2 * Width / 8) + 1)));
            Assert.That(report.GlobalStoreSectors, Is.EqualTo(RowCount * Width / 16));
            Assert.That(report.Count("shfl"), Is.EqualTo(RowCount * 4 * 5));
            Assert.That(report.Barriers, Is.Zero);
        }
    }

    [Test]
    public void It_is_assembled_without_local_memory([Values(0, 1)] int type)
        => HalfType.AssembleWithoutLocalMemory(HalfType.All[type].KernelFor(typeof(LayerNormHalf<>)));

    /// <summary>Rows away from 0, so that a mean left out shows.</summary>
    private static float[] Rounded(HalfType half, int rowCount, int width)
        => [.. Values.Normal(rowCount * width, 1).Select(value => half.Round(value + 3))];

    private static (float[] Rows, LaunchReport Report) Run(HalfType half, float[] source, float[] weight, float[] bias,
        int[] outside, int width, int sourceStride, int stride)
    {
        int rowCount = source.Length / width;
        ushort[] destination = HalfType.Empty(rowCount, stride);
        LaunchReport report = Launch(half, half.Rows(source, width, sourceStride), weight, bias, destination, outside,
            rowCount, width, sourceStride, stride, seed: 1);
        return (half.Read(destination, width, stride), report);
    }

    private static LaunchReport Launch(HalfType half, ushort[] source, float[] weight, float[] bias,
        ushort[] destination, int[] outside, int rowCount, int width, int sourceStride, int stride, ulong seed)
        => KernelRun.Run(
            half.KernelFor(typeof(LayerNormHalf<>), 32 * WarpCount).Compile(EmulatorHost.Compiler, 80),
            (rowCount + WarpCount - 1) / WarpCount, 32 * WarpCount, seed, source, HalfType.Parameter(weight),
            HalfType.Parameter(bias), destination, outside, rowCount, width, sourceStride, stride, MathF.Sqrt(Epsilon));
}
