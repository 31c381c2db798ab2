using MsResampler.Perf.Ceilings;
using MsResampler.Perf.Roofline;
using MsResampler.Perf.Timing;

namespace MsResampler.Perf.Gpu;

/// <summary>A step of the forward pass: what it had to do, how long it took, and how that compares with what the device
/// can do.</summary>
/// <param name="Step">The step; the kernel's name where launches are not those that were expected.</param>
/// <param name="Kernel">The kernel.</param>
/// <param name="Launches">Launches of a call.</param>
/// <param name="Milliseconds">Their time.</param>
/// <param name="TimeShare">Of the time of all steps.</param>
/// <param name="Gflop">10⁹ operations; null where they are not known.</param>
/// <param name="Megabytes">10⁶ bytes that it cannot but move.</param>
/// <param name="ProductShare">Its operations per second as a share of what products in registers reach; null where it
/// has none or that is not known.</param>
/// <param name="CopyShare">Its bytes per second as a share of those of a copy. More than 1 where bytes come from the
/// second-level cache.</param>
internal sealed record LaunchFigures(string Step, string Kernel, int Launches, double Milliseconds, double TimeShare,
    double? Gflop, double? Megabytes, double? ProductShare, double? CopyShare)
{
    /// <summary>The extents of its matrix products; null where it has none.</summary>
    public ProductExtent? Product { get; init; }

    /// <summary>10¹² operations per second.</summary>
    public double? Tflops => Gflop / Milliseconds;

    /// <summary>10⁹ bytes per second.</summary>
    public double? GigabytesPerSecond => Megabytes / Milliseconds;

    /// <summary>The figures of a call's launches.</summary>
    /// <param name="launches">The launches, in their order.</param>
    /// <param name="works">What each launch of a forward pass has to do, for all images of the call together.</param>
    /// <param name="ceilings">What the device can do.</param>
    /// <param name="precision">The precision of products.</param>
    public static IReadOnlyList<LaunchFigures> Of(IReadOnlyList<TimedLaunch> launches, IReadOnlyList<LaunchWork> works,
        DeviceCeilings ceilings, Precision precision)
    {
        double total = launches.Sum(launch => launch.Milliseconds);
        // A batch that is too large for the engine's memory takes several passes, each with all weights.
        (int passCount, int rest) = Math.DivRem(launches.Count, works.Count);
        if (rest != 0)
        {
            return [.. launches.GroupBy(launch => launch.Kernel).Select(group => new LaunchFigures(group.Key, group.Key,
                group.Count(), group.Sum(launch => launch.Milliseconds),
                group.Sum(launch => launch.Milliseconds) / total, null, null, null, null))];
        }

        return [.. works.Select((work, index) =>
        {
            TimedLaunch[] own = [.. launches.Where((_, launch) => launch % works.Count == index)];
            double milliseconds = own.Sum(launch => launch.Milliseconds);
            double bytes = work.Bytes + ((passCount - 1) * work.ConstantBytes);
            return new LaunchFigures(work.Step, own[0].Kernel, passCount, milliseconds, milliseconds / total,
                work.Flops / 1e9, bytes / 1e6,
                work.HasProducts ? work.Flops / milliseconds * 1e3 / ceilings.FlopsOf(precision) : null,
                bytes / milliseconds * 1e3 / ceilings.CopyBytesPerSecond)
            {
                Product = work.Product,
            };
        })];
    }
}
