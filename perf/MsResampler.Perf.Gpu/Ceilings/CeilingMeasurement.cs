using System.Diagnostics;

namespace MsResampler.Perf.Ceilings;

/// <summary>Measures the limits of a device. Each figure is the best of many tries: disturbances and clocks that are
/// still rising can only slow a device down.</summary>
/// <param name="stream">The stream to measure on.</param>
/// <param name="scratch">The kernels to run and their memory, filled.</param>
/// <param name="duration">How long to try for each figure.</param>
internal sealed class CeilingMeasurement(IDeviceStream stream, DeviceScratch scratch, TimeSpan duration)
{
    /// <summary>Launches in a row: fewer than the driver can queue without blocking.</summary>
    private const int LaunchCount = 200;

    private const int MinTryCount = 3;

    /// <summary>Measures all limits.</summary>
    /// <exception cref="NotSupportedException">The device has no timer.</exception>
    public DeviceCeilings Measure()
    {
        using IDeviceTimer timer = stream.CreateTimer()
            ?? throw new NotSupportedException("the device has no timer; measure on a CUDA device");
        double? float16 = MeasureProducts(timer, CeilingKernels.Float16);
        double? bfloat16 = MeasureProducts(timer, CeilingKernels.BFloat16);
        double? tensorFloat32 = MeasureProducts(timer, CeilingKernels.TensorFloat32);
        double copyMilliseconds = Best(() => Time(timer, () => scratch.Copy(stream)));
        return new DeviceCeilings(float16, bfloat16, tensorFloat32, 2 * scratch.CopyBytes / copyMilliseconds * 1e3,
            MeasureLaunches(timer))
        {
            WarpgroupFloat16Flops = MeasureProducts(timer, CeilingKernels.WarpgroupFloat16),
            WarpgroupBFloat16Flops = MeasureProducts(timer, CeilingKernels.WarpgroupBFloat16),
        };
    }

    private double? MeasureProducts(IDeviceTimer timer, KernelVariant variant)
    {
        if (!scratch.Supports(variant))
            return null;
        double flops = 0;
        double milliseconds = Best(() => Time(timer, () => flops = scratch.Multiply(stream, variant)));
        return flops / milliseconds * 1e3;
    }

    private LaunchCosts MeasureLaunches(IDeviceTimer timer)
    {
        double host = double.PositiveInfinity;
        double plain = Best(() => Time(timer, () =>
        {
            long start = Stopwatch.GetTimestamp();
            LaunchMany();
            host = Math.Min(host, Stopwatch.GetElapsedTime(start).TotalMicroseconds);
        }));
        double roundTrip = Best(() =>
        {
            long start = Stopwatch.GetTimestamp();
            scratch.LaunchEmpty(stream);
            stream.Synchronize();
            return Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        });
        double measured = Best(() =>
        {
            scratch.Occupy(stream);
            return Time(timer, () => scratch.LaunchEmpty(stream), isIdle: false);
        });
        double? graph = MeasureGraph(timer);
        using IDisposable ordinary = EngineVariant.OrdinaryLaunches.Apply();
        return new LaunchCosts(host / LaunchCount, plain * 1e3 / LaunchCount, graph, roundTrip, measured * 1e3)
        {
            OrdinaryGraph = scratch.Supports(CeilingKernels.WarpgroupFloat16) ? MeasureGraph(timer) : null,
        };
    }

    private double? MeasureGraph(IDeviceTimer timer)
    {
        using IDeviceGraph? graph = stream.Capture(LaunchMany);
        if (graph is null)
            return null;
        bool isStarted = true;
        double milliseconds = Best(() => Time(timer, () => isStarted &= stream.TryLaunch(graph)));
        return isStarted ? milliseconds * 1e3 / LaunchCount : null;
    }

    private void LaunchMany()
    {
        for (int launch = 0; launch < LaunchCount; launch++)
            scratch.LaunchEmpty(stream);
    }

    /// <summary>The device time of work, in milliseconds.</summary>
    private double Time(IDeviceTimer timer, Action work, bool isIdle = true)
    {
        if (isIdle)
            stream.Synchronize();
        timer.Start();
        work();
        timer.Stop();
        return timer.GetMilliseconds();
    }

    private double Best(Func<double> measure)
    {
        measure();
        double best = double.PositiveInfinity;
        long start = Stopwatch.GetTimestamp();
        for (int count = 0; count < MinTryCount || Stopwatch.GetElapsedTime(start) < duration; count++)
            best = Math.Min(best, measure());
        return best;
    }
}
