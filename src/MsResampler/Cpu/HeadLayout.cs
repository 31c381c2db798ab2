namespace MsResampler.Cpu;

/// <summary>Layout of keys or values stored head by head: head h of row n starts at <c>h·HeadStride +
/// n·RowStride</c>. The rows of a head are contiguous, so attention reads memory sequentially instead of
/// touching one page per patch.</summary>
/// <param name="HeadSize">d.</param>
/// <param name="RowStride">Floats between rows: d, rounded up to whole cache lines.</param>
/// <param name="HeadStride">Floats between heads.</param>
internal readonly record struct HeadLayout(int HeadSize, int RowStride, nint HeadStride)
{
    /// <summary>The layout of <paramref name="rowCount"/> rows.</summary>
    public static HeadLayout For(int headSize, int rowCount)
    {
        int rowStride = (headSize + 15) & ~15;
        return new HeadLayout(headSize, rowStride, (nint)rowCount * rowStride);
    }
}
