using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Tests.Kernels;

public sealed class SwizzledTileTests
{
    /// <summary>The number of chunks in the 128 bytes of all banks.</summary>
    private const int BankChunks = 8;

    private static readonly int[] s_lanes = [.. Enumerable.Range(0, 32)];

    [Test]
    public void Swizzling_permutes_the_chunks_of_a_row()
    {
        int[] places = [.. Enumerable.Range(0, 16 * SwizzledTile.RowChunks)
            .Select(index => SwizzledTile.Offset(index / SwizzledTile.RowChunks, index % SwizzledTile.RowChunks))];

        using (Assert.EnterMultipleScope())
        {
            Assert.That(places.Select(place => place / SwizzledTile.RowBytes),
                Is.EqualTo(places.Select((_, index) => index / SwizzledTile.RowChunks)));
            Assert.That(places.Distinct().Count(), Is.EqualTo(places.Length));
            Assert.That(SwizzledTile.Offset(16 + 5, 3) - SwizzledTile.Offset(5, 3),
                Is.EqualTo(16 * SwizzledTile.RowBytes));
        }
    }

    [Test]
    public void Eight_lanes_of_a_fragment_access_each_bank_once([Values(0, 1)] int step)
    {
        foreach (int[] phase in s_lanes.Chunk(BankChunks))
        {
            Assert.That(phase.Select(lane => Banks(SwizzledTile.RowFragment(lane, step))), Is.Unique);
            Assert.That(phase.Select(lane => Banks(SwizzledTile.ColumnFragment(lane, step))), Is.Unique);
        }
    }

    [Test]
    public void The_lanes_of_fragments_read_every_chunk_of_a_step_once([Values(0, 1)] int step)
    {
        int[] expected = [.. Enumerable.Range(0, 32)
            .Select(index => SwizzledTile.Offset(index / 2, (2 * step) + (index % 2)))];

        Assert.That(s_lanes.Select(lane => SwizzledTile.RowFragment(lane, step)), Is.EquivalentTo(expected));
        Assert.That(s_lanes.Select(lane => SwizzledTile.ColumnFragment(lane, step)), Is.EquivalentTo(expected));
    }

    private static int Banks(int offset) => offset / SwizzledTile.ChunkBytes % BankChunks;
}
