using System.Diagnostics;

namespace MsResampler.Perf.Timing;

/// <summary>The times of a call.</summary>
/// <param name="Call">Time of the calling thread, from features in host memory to tokens in host memory.</param>
/// <param name="Warm">Device time of the call's forward passes. They start on an idle device, right after the same
/// call.</param>
/// <param name="Cold">The same, after other data has filled the second-level cache.</param>
/// <param name="Launches">Median times of the launches, in order, with a warm cache.</param>
internal sealed record ForwardTimes(Spread Call, Spread Warm, Spread Cold, IReadOnlyList<TimedLaunch> Launches)
{
    private const int WarmUpCalls = 4;
    private const int MinCallCount = 5;

    /// <summary>Measures a call.</summary>
    /// <param name="device">The device of the engine.</param>
    /// <param name="scratch">Kernels that keep the device busy or flush its cache; filled.</param>
    /// <param name="call">The call.</param>
    /// <param name="duration">How long to measure each time.</param>
    public static ForwardTimes Measure(TimedDevice device, DeviceScratch scratch, Action call, TimeSpan duration)
    {
        // The engine captures its graph during the first calls.
        for (int count = 0; count < WarmUpCalls; count++)
            call();
        Spread whole = Spread.Of(Repeat(() =>
        {
            long start = Stopwatch.GetTimestamp();
            call();
            return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }));
        Spread warm = MeasureForward(_ => { });
        Spread cold = MeasureForward(scratch.Copy);
        TimedLaunch[][] calls = [.. Measured(TimingMode.Launches, scratch.Occupy, () =>
        {
            call();
            return device.TakeLaunches().ToArray();
        })];
        return new ForwardTimes(whole, warm, cold, [.. calls[0].Select((launch, index) => launch with
        {
            Milliseconds = Spread.Of(calls.Select(other => other[index].Milliseconds)).Median,
        })]);

        Spread MeasureForward(Action<IDeviceStream> prelude) => Spread.Of(Measured(TimingMode.Forward, prelude, () =>
        {
            call();
            return device.TakeForward();
        }));

        List<T> Measured<T>(TimingMode mode, Action<IDeviceStream> prelude, Func<T> measure)
        {
            device.Prelude = prelude;
            device.Mode = mode;
            try
            {
                measure();
                return Repeat(measure);
            }
            finally
            {
                device.Mode = TimingMode.None;
            }
        }

        List<T> Repeat<T>(Func<T> measure)
        {
            List<T> samples = [];
            long start = Stopwatch.GetTimestamp();
            while (samples.Count < MinCallCount || Stopwatch.GetElapsedTime(start) < duration)
                samples.Add(measure());
            return samples;
        }
    }
}
