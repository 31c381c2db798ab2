using MsResampler.Cpu.Integer;

namespace MsResampler.Tests.Cpu.Integer;

internal sealed class IntegerTileTests
{
    [Test]
    public unsafe void Fields_are_at_the_offsets_that_machine_code_reads()
    {
        IntegerTile tile;
        byte* start = (byte*)&tile;
        long[] rows =
        [
            (byte*)&tile.Row0 - start, (byte*)&tile.Row1 - start, (byte*)&tile.Row2 - start,
            (byte*)&tile.Row3 - start, (byte*)&tile.Row4 - start, (byte*)&tile.Row5 - start,
        ];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(rows, Is.EqualTo(new long[] { 0, 8, 16, 24, 32, 40 }));
            Assert.That((byte*)&tile.Panel - start, Is.EqualTo(48));
            Assert.That((byte*)&tile.StepCount - start, Is.EqualTo(56));
            Assert.That((byte*)&tile.Sums - start, Is.EqualTo(64));
            Assert.That((byte*)&tile.StepStride - start, Is.EqualTo(72));
            Assert.That(sizeof(IntegerTile), Is.EqualTo(80));
        }
    }
}
