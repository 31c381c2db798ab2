using MsResampler.Kernels.Forward;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>Copies of rows within device memory.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class CopyRowsTests
{
    private const byte Untouched = 0xA5;

    [Test]
    public void Rows_are_copied_without_the_bytes_between_them([Values(2, 4, 8, 16)] int unitBytes,
        [Values(1, 3, 31, 32, 33, 127, 128, 129, 257)] int unitCount, [Values(1, 2, 7, 67)] int rowCount)
    {
        int rowBytes = unitCount * unitBytes;
        foreach ((int sourceGap, int gap) in ((int, int)[])[(0, 1), (3, 0), (1, 1)])
        {
            Check(unitBytes, new RowCopy(0, rowBytes + (sourceGap * unitBytes), 0, rowBytes + (gap * unitBytes),
                rowBytes, rowCount));
        }
    }

    // One quantity at a time is no multiple of the next larger unit.
    [TestCase(16, 0, 0, 0, 0, 0)]
    [TestCase(8, 8, 0, 0, 0, 0)]
    [TestCase(8, 0, 8, 0, 0, 0)]
    [TestCase(8, 0, 0, 8, 0, 0)]
    [TestCase(8, 0, 0, 0, 8, 0)]
    [TestCase(8, 0, 0, 0, 0, 8)]
    [TestCase(4, 4, 0, 0, 0, 0)]
    [TestCase(4, 0, 12, 0, 0, 0)]
    [TestCase(4, 0, 0, 4, 0, 0)]
    [TestCase(4, 0, 0, 0, 12, 0)]
    [TestCase(4, 0, 0, 0, 0, 4)]
    [TestCase(2, 2, 0, 0, 0, 0)]
    [TestCase(2, 0, 6, 0, 0, 0)]
    [TestCase(2, 0, 0, 10, 0, 0)]
    [TestCase(2, 0, 0, 0, 2, 0)]
    [TestCase(2, 0, 0, 0, 0, 14)]
    public void The_unit_divides_addresses_strides_and_rows(int unitBytes, int sourceOffset, int offset, int sourceGap,
        int gap, int rowExcess)
        => Check(unitBytes, new RowCopy((ulong)sourceOffset, 128 + sourceGap, (ulong)offset, 144 + gap, 96 + rowExcess,
            RowCount: 3));

    [Test]
    public void Contiguous_rows_need_no_kernel()
        => Assert.That(Run(new RowCopy(2, 6, 4, 6, 6, 5)), Is.Null);

    [Test]
    public void A_row_reads_and_writes_whole_sectors_in_large_units()
    {
        LaunchReport report = Run(new RowCopy(0, 4096, 0, 4096 + 64, 4096, 8))!.Value.Report;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(report.GlobalLoadSectors, Is.EqualTo(8 * 4096 / 32));
            Assert.That(report.GlobalStoreSectors, Is.EqualTo(8 * 4096 / 32));
            Assert.That(report.Count("ld.global.v4"), Is.EqualTo(8 * 4096 / 512));
            Assert.That(report.Count("st.global.v4"), Is.EqualTo(8 * 4096 / 512));
        }
    }

    private static void Check(int unitBytes, RowCopy copy)
        => Assert.That(Run(copy)?.Kernel, Is.EqualTo(CommonKernels.CopyRowsIn(unitBytes).Name), copy.ToString());

    /// <summary>Copies random bytes and checks the result.</summary>
    /// <param name="copy">The copy, with offsets from aligned addresses in place of addresses.</param>
    /// <returns>The launch; null if there was none.</returns>
    private static (string Kernel, LaunchReport Report)? Run(RowCopy copy)
    {
        byte[] source = new byte[(int)copy.Source + ((copy.RowCount - 1) * copy.SourceStride) + copy.RowBytes];
        byte[] expected = new byte[(int)copy.Destination + ((copy.RowCount - 1) * copy.DestinationStride)
            + copy.RowBytes];
        new Random(1).NextBytes(source);
        expected.AsSpan().Fill(Untouched);
        using EmulatorDevice device = new();
        using IDeviceStream stream = device.CreateStream();
        using IDeviceMemory from = device.Allocate(source.Length);
        using IDeviceMemory to = device.Allocate(expected.Length);
        stream.Upload(source, from);
        stream.Upload(expected, to);
        for (int row = 0; row < copy.RowCount; row++)
        {
            source.AsSpan((int)copy.Source + (int)(row * copy.SourceStride), (int)copy.RowBytes)
                .CopyTo(expected.AsSpan((int)copy.Destination + (int)(row * copy.DestinationStride)));
        }

        (copy with { Source = from.Address + copy.Source, Destination = to.Address + copy.Destination })
            .Start(new KernelLibrary(device, EmulatorHost.Compiler), stream, device.Properties);

        byte[] found = new byte[expected.Length];
        stream.Download(to, found);
        Assert.That(found, Is.EqualTo(expected), copy.ToString());
        return device.Reports.Count == 0 ? null : device.Reports[^1];
    }
}
