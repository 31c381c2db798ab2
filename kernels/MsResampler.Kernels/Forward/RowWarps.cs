namespace MsResampler.Kernels.Forward;

/// <summary>Kernels in which one warp computes one row.</summary>
internal static class RowWarps
{
    /// <summary>Warps of the largest block.</summary>
    private const int MaxWarps = 4;

    /// <summary>The kernel in a configuration.</summary>
    /// <param name="kernel">The class of the kernel.</param>
    /// <param name="minArchitecture">The oldest architecture with its instructions.</param>
    public static KernelVariant VariantOf(Type kernel, int minArchitecture = 60)
        => new(kernel, 32 * MaxWarps, 8, minArchitecture);

    /// <summary>One warp for each row. Blocks have one warp as long as that spreads the rows over more
    /// multiprocessors.</summary>
    public static LaunchSize SizeFor(int rowCount, DeviceProperties device)
    {
        int warps = rowCount > MaxWarps * device.MultiprocessorCount ? MaxWarps : 1;
        return new LaunchSize((rowCount + warps - 1) / warps, 1, 32 * warps);
    }
}
