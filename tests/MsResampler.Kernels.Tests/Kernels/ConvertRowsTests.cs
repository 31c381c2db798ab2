using MsResampler.Kernels.Norm;
using MsResampler.Kernels.Tests.Ptx;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>Rows of features and their 16-bit versions, compared bit for bit.</summary>
public sealed class ConvertRowsTests
{
    private const int WarpCount = 4;
    private const float MaxUnit = 1L << 40;

    [Test]
    public void Rows_are_scaled_rounded_to_nearest_and_padded_with_zeros([Values(0, 1)] int type,
        [Values] bool isHalf, [Values(1, 2, 7, 8, 9, 63, 64, 65, 250, 256, 257, 1021)] int width)
    {
        const int RowCount = 5;
        Bits16Type half = Bits16Type.All[type];
        int sourceStride = width + 3;
        int stride = ((width + 7) / 8) + 1;
        float[] source = Values.Normal(((RowCount - 1) * sourceStride) + width, 1);
        for (int index = 0; index < source.Length; index++)
            source[index] = (isHalf ? half.Round(source[index]) : source[index]) * MathF.ScaleB(
                1, index / sourceStride * 3);
        ushort[] rows = Bits16Type.Empty(RowCount, stride);

        (float[] units, _) = Run(half, source, isHalf, rows, RowCount, width, sourceStride, stride);

        float[] found = half.Read(rows, width, stride);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(found, Is.EqualTo(Enumerable.Range(0, RowCount * width).Select(index
                => half.Round(source[(index / width * sourceStride) + (index % width)] * units[index / width]))));
            // Rounding can reach the next power of two.
            Assert.That(found.Chunk(width).Select(row => row.Max(Math.Abs)), Has.All.InRange(1, 2));
            Assert.That(units, Has.All.Matches<float>(unit => MathF.ScaleB(1, Math.ILogB(unit)) == unit));
        }
    }

    [TestCase(3e38f, 4)]
    [TestCase(6e-39f, 6e-39f * MaxUnit)]
    [TestCase(0, 0)]
    [TestCase(1e-12f, 1e-12f * MaxUnit)]
    public void The_largest_float32_and_the_largest_factor_are_exact(float value, float most)
    {
        foreach (Bits16Type half in Bits16Type.All)
        {
            ushort[] rows = Bits16Type.Empty(1, 17);
            (float[] units, _) = Run(half, [.. Values.Normal(130, 1).Select(Math.Sign).Select(sign => sign * value)],
                false,
                rows, 1, 130, 130, 17);
            Assert.That(half.Read(rows, 130, 17).Max(Math.Abs), Is.LessThanOrEqualTo(half.Round(most)));
            Assert.That(units[0], Is.LessThanOrEqualTo(MaxUnit));
        }
    }

    [Test]
    public void NaN_and_infinity_stay([Values(0, 1)] int type,
        [Values(float.NaN, float.PositiveInfinity, float.NegativeInfinity)] float value)
    {
        foreach (int column in new[] { 0, 33, 70, 130 })
        {
            float[] source = Values.Normal(131, 1);
            source[column] = value;
            ushort[] rows = Bits16Type.Empty(1, 17);
            Run(Bits16Type.All[type], source, false, rows, 1, source.Length, source.Length, 17);
            Assert.That(Bits16Type.All[type].Read(rows, 131, 17)[column], Is.EqualTo(value), $"column {column}");
        }
    }

    [Test]
    public void Lanes_read_and_store_contiguously()
    {
        const int Width = 1024;
        const int RowCount = 8;

        (_, LaunchReport report) = Run(Bits16Type.Float16, Values.Normal(RowCount * Width, 1), false,
            Bits16Type.Empty(RowCount, Width / 8), RowCount, Width, Width, Width / 8);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.GlobalLoadSectors, Is.EqualTo(2 * RowCount * Width / 8), "twice");
            Assert.That(report.GlobalStoreSectors, Is.EqualTo(RowCount * ((Width / 16) + 1)));
            // One shuffle for two values of a lane, and the maximum over a warp.
            Assert.That(report.Count("shfl"), Is.EqualTo(RowCount * ((Width / 64) + 5)));
        }
    }

    [Test]
    public void The_assembled_kernel_uses_no_local_memory([Values(0, 1)] int type, [Values] bool isHalf)
        => Bits16Type.AssembleWithoutLocalMemory(Kernel(Bits16Type.All[type], isHalf));

    private static KernelVariant Kernel(Bits16Type half, bool isHalf) => new(typeof(ConvertRows<,,>).MakeGenericType(
        isHalf ? typeof(Bits16Rows<>).MakeGenericType(half.Element) : typeof(Float32Rows),
        isHalf ? typeof(ushort) : typeof(float), half.Element), 32 * WarpCount, 1);

    private static (float[] Units, LaunchReport Report) Run(Bits16Type half, float[] source, bool isHalf, ushort[] rows,
        int rowCount, int width, int sourceStride, int stride)
    {
        float[] units = new float[rowCount];
        LaunchReport report = KernelRun.Run(Kernel(half, isHalf).Compile(EmulatorHost.Compiler, 80),
            (rowCount + WarpCount - 1) / WarpCount, 32 * WarpCount, seed: 1,
            isHalf ? source.Select(half.Encode).ToArray() : source, rows, units, rowCount, width, sourceStride, stride,
            MaxUnit);
        return (units, report);
    }
}
