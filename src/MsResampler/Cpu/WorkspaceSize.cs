namespace MsResampler.Cpu;

/// <summary>How large workspaces are made. The first is what its group needs. One that grows gets an eighth more, and all
/// are at once as large as any group of stacked images needed before: batches of ever new grids then soon make none
/// grow, and leave few smaller ones to the collector. A single image larger than a group is not taken as a measure.
/// </summary>
internal sealed class WorkspaceSize
{
    /// <summary>Rows stacked at most, unless one image alone has more: enough to read a weight once for many rows,
    /// few enough to bound the workspace.</summary>
    public const int GroupRows = 2304;

    private long _largest;

    /// <summary>The floats to make a workspace of.</summary>
    /// <param name="needed">The floats that its group needs.</param>
    /// <param name="isGrowing">Whether there was a smaller one.</param>
    /// <param name="isStacked">Whether the group has no more than <see cref="GroupRows"/> rows.</param>
    public long For(long needed, bool isGrowing, bool isStacked)
    {
        long count = isGrowing ? Math.Max(needed, Math.Min(needed + (needed / 8), AlignedBuffer.MaxCount)) : needed;
        long largest = Volatile.Read(ref _largest);
        if (!isStacked)
            return count;
        while (largest < count)
        {
            long seen = Interlocked.CompareExchange(ref _largest, count, largest);
            if (seen == largest)
                return count;
            largest = seen;
        }

        return largest;
    }
}
