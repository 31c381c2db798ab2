using System.Globalization;

namespace MsResampler.Perf.Profile;

/// <summary>What threads together can do at most, measured.</summary>
/// <param name="Threads">The number of threads.</param>
/// <param name="Flops">Multiply-adds in registers, in operations per second.</param>
/// <param name="SecondLevel">Bytes per second from the second-level cache.</param>
/// <param name="ThirdLevel">Bytes per second from the third-level cache.</param>
/// <param name="Memory">Bytes per second from memory.</param>
internal sealed record Limits(int Threads, double Flops, double SecondLevel, double ThirdLevel, double Memory)
{
    /// <summary>Half of a second-level cache of 1 MiB.</summary>
    private const long SecondLevelBytes = 512L << 10;

    /// <summary>More than a second-level cache, and for two threads less than half of a third-level cache of
    /// 32 MiB.</summary>
    private const long ThirdLevelBytes = 6L << 20;

    private const long MemoryBytes = 128L << 20;

    /// <summary>The size of the third-level cache in bytes; 32 MiB if the system does not tell.</summary>
    public static long ThirdLevelSize { get; } = CacheSize(level: 3, otherwise: 32L << 20);

    /// <summary>The size of a second-level cache in bytes; 1 MiB if the system does not tell.</summary>
    public static long SecondLevelSize { get; } = CacheSize(level: 2, otherwise: 1L << 20);

    public static Limits Measure(KernelSet kernels, int threads) => new(threads, FmaPeak.Measure(kernels, threads),
        Bandwidth.Measure(kernels, threads, SecondLevelBytes), Bandwidth.Measure(kernels, threads, ThirdLevelBytes),
        Bandwidth.Measure(kernels, threads, MemoryBytes));

    private static long CacheSize(int level, long otherwise)
    {
        string path = $"/sys/devices/system/cpu/cpu0/cache/index{level}/size";
        return File.Exists(path) && File.ReadAllText(path).Trim() is [.. var number, 'K']
            && long.TryParse(number, CultureInfo.InvariantCulture, out long size) ? size << 10 : otherwise;
    }
}
