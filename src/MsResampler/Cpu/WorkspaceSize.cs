namespace MsResampler.Cpu;

/// <summary>Chooses the size of workspaces. The first workspace is as large as its stack needs. A workspace
/// that grows gets an eighth more than its stack needs, and at least the size that any stack needed before.
/// Workspaces thus soon stop growing when batches have new grids, and few outgrown ones are left
/// to the garbage collector. A single image or group larger than <see cref="StackRows"/> does not enlarge other
/// workspaces.</summary>
internal sealed class WorkspaceSize
{
    /// <summary>The largest number of stacked rows, unless a single image or group has more: enough rows per read of a
    /// weight, and few enough to limit the size of the workspace.</summary>
    public const int StackRows = 2304;

    private long _largest;

    /// <summary>Returns the size of a new workspace, in floats.</summary>
    /// <param name="needed">The floats that its stack needs.</param>
    /// <param name="isGrowing">Whether it replaces a smaller workspace.</param>
    /// <param name="isStacked">Whether the stack has at most <see cref="StackRows"/> rows.</param>
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
