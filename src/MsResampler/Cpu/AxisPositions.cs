using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>The half of the sine–cosine embedding that one axis gives, for its first patches: rows and columns of all
/// grids read the same table.</summary>
internal sealed class AxisPositions : GridPart
{
    private readonly int _halfWidth;

    private AxisPositions(PartKey key, AlignedBuffer memory, int halfWidth)
        : base(key, memory) => _halfWidth = halfWidth;

    /// <summary>The rows of the table that grids of <paramref name="extent"/> patches along an axis share with others of
    /// about the size.</summary>
    public static int ExtentOf(int extent)
    {
        const int Step = 64;
        return extent <= Step / 2 ? Step / 2 : (int)Math.Min(((long)extent + Step - 1) / Step * Step, int.MaxValue);
    }

    /// <param name="key">What the part depends on; its rows are the positions wanted.</param>
    /// <param name="width">D, a multiple of 4.</param>
    /// <param name="pool">Where memory comes from.</param>
    public static AxisPositions Create(PartKey key, int width, BufferPool pool)
    {
        int half = width / 2;
        AxisPositions table = new(key, pool.Rent((long)key.Rows * half), half);
        for (int patch = 0; patch < key.Rows; patch++)
            PositionEmbedding.SinCos(patch, table.Memory.Span.Slice(patch * half, half));
        return table;
    }

    /// <summary>The half of a patch's embedding, [D/2].</summary>
    public ReadOnlySpan<float> At(int patch) => Memory.Span.Slice(patch * _halfWidth, _halfWidth);
}
