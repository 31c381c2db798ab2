using MsResampler.Kernels.Norm;
using MsResampler.Kernels.Tests.Devices;
using MsResampler.Kernels.Tests.Ptx;
using NUnit.Framework;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>Rows of float32 and what becomes of them in 16 bits, bit for bit.</summary>
public sealed class ConvertRowsTests
{
    private const int WarpCount = 4;

    [Test]
    public void Rows_are_rounded_to_the_nearest_and_filled_up_with_zeros([Values(0, 1)] int type,
        [Values(1, 2, 7, 8, 9, 63, 64, 65, 250, 256, 257, 1021)] int width)
    {
        const int RowCount = 5;
        HalfType half = HalfType.All[type];
        int sourceStride = width + 3;
        int stride = ((width + 7) / 8) + 1;
        float[] source = Values.Normal(((RowCount - 1) * sourceStride) + width, 1);
        ushort[] rows = HalfType.Empty(RowCount, stride);
        int[] outside = [0];

        Run(half, source, rows, outside, RowCount, width, sourceStride, stride);

        Assert.That(half.Read(rows, width, stride), Is.EqualTo(Enumerable.Range(0, RowCount * width)
            .Select(index => half.Round(source[(index / width * sourceStride) + (index % width)]))));
        Assert.That(outside[0], Is.Zero);
    }

    [TestCase(0, 65519.99f, false)]
    [TestCase(0, -65520f, true)]
    [TestCase(0, float.PositiveInfinity, true)]
    [TestCase(0, float.NaN, true)]
    [TestCase(1, 1e30f, false)]
    public void An_element_outside_float16_is_reported(int type, float value, bool isOutside)
    {
        foreach (int column in new[] { 0, 33, 70, 130 })
        {
            float[] source = new float[131];
            source[column] = value;
            int[] outside = [0];

            Run(HalfType.All[type], source, HalfType.Empty(1, 17), outside, 1, source.Length, source.Length, 17);

            Assert.That(outside[0], Is.EqualTo(isOutside ? 1 : 0), $"column {column}");
        }
    }

    [Test]
    public void Lanes_read_and_store_side_by_side()
    {
        const int Width = 1024;
        const int RowCount = 8;

        LaunchReport report = Run(HalfType.Float16, Values.Normal(RowCount * Width, 1),
            HalfType.Empty(RowCount, Width / 8), [0], RowCount, Width, Width, Width / 8);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.GlobalLoadSectors, Is.EqualTo(RowCount * Width / 8));
            Assert.That(report.GlobalStoreSectors, Is.EqualTo(RowCount * Width / 16));
            // One for two numbers of a lane.
            Assert.That(report.Count("shfl"), Is.EqualTo(RowCount * Width / 64));
        }
    }

    [Test]
    public void It_is_assembled_without_local_memory([Values(0, 1)] int type)
        => HalfType.AssembleWithoutLocalMemory(HalfType.All[type].KernelFor(typeof(ConvertRows<>)));

    private static LaunchReport Run(HalfType half, float[] source, ushort[] rows, int[] outside, int rowCount,
        int width, int sourceStride, int stride)
        => KernelRun.Run(half.KernelFor(typeof(ConvertRows<>), 32 * WarpCount).Compile(EmulatorHost.Compiler, 80),
            (rowCount + WarpCount - 1) / WarpCount, 32 * WarpCount, seed: 1, source, rows, outside, rowCount, width,
            sourceStride, stride);
}
