using MsResampler.Kernels.Gemm;

namespace MsResampler.Perf.Gpu;

/// <summary>A step of the forward pass: its work, its time, and its speed compared with the limits of the
/// device.</summary>
/// <param name="Step">The step; the kernel's name if the launches do not match the expected steps.</param>
/// <param name="Kernel">The kernel.</param>
/// <param name="Launches">Launches in a call.</param>
/// <param name="Milliseconds">The time of these launches.</param>
/// <param name="TimeShare">The share of this time in the time of all steps.</param>
/// <param name="Gflop">10⁹ operations; null if unknown.</param>
/// <param name="Megabytes">10⁶ bytes of compulsory memory traffic; null if unknown.</param>
/// <param name="ProductShare">Operations per second as a share of the limit of products with the same instruction;
/// null if the step has no products or the limit is unknown.</param>
/// <param name="CopyShare">Bytes per second as a share of the limit of a copy; more than 1 where the data comes from
/// the second-level cache. Null if unknown.</param>
internal sealed record LaunchFigures(string Step, string Kernel, int Launches, double Milliseconds, double TimeShare,
    double? Gflop, double? Megabytes, double? ProductShare, double? CopyShare)
{
    /// <summary>The extents of the step's matrix products; null if it has none.</summary>
    public ProductExtent? Product { get; init; }

    /// <summary>10¹² operations per second.</summary>
    public double? Tflops => Gflop / Milliseconds;

    /// <summary>10⁹ bytes per second.</summary>
    public double? GigabytesPerSecond => Megabytes / Milliseconds;

    /// <summary>The figures of the launches of a call.</summary>
    /// <param name="launches">The launches, in order.</param>
    /// <param name="steps">The work of each launch of a forward pass, for all images of the call together.</param>
    /// <param name="ceilings">The limits of the device.</param>
    /// <param name="precision">The precision of products.</param>
    public static IReadOnlyList<LaunchFigures> Of(IReadOnlyList<TimedLaunch> launches,
        IReadOnlyList<(string Name, StepWork Work)> steps, DeviceCeilings ceilings, Precision precision)
    {
        double total = launches.Sum(launch => launch.Milliseconds);
        // The engine splits a large batch into several passes. Each pass reads all weights again.
        (int passCount, int rest) = Math.DivRem(launches.Count, steps.Count);
        if (rest != 0)
        {
            return [.. launches.GroupBy(launch => launch.Kernel).Select(group => new LaunchFigures(group.Key, group.Key,
                group.Count(), group.Sum(launch => launch.Milliseconds),
                group.Sum(launch => launch.Milliseconds) / total, null, null, null, null))];
        }

        return [.. steps.Select((step, index) =>
        {
            TimedLaunch[] own = [.. launches.Where((_, launch) => launch % steps.Count == index)];
            double milliseconds = own.Sum(launch => launch.Milliseconds);
            StepWork work = step.Work;
            GemmFamily family = ProductTile.Of(own[0].Kernel)?.Family ?? GemmFamily.Mma;
            double bytes = work.Bytes + ((passCount - 1) * work.ConstantBytes);
            return new LaunchFigures(step.Name, own[0].Kernel, passCount, milliseconds, milliseconds / total,
                work.Flops / 1e9, bytes / 1e6,
                work.HasProducts ? work.Flops / milliseconds * 1e3 / ceilings.FlopsOf(precision, family) : null,
                bytes / milliseconds * 1e3 / ceilings.CopyBytesPerSecond)
            {
                Product = work.Product,
            };
        })];
    }
}
