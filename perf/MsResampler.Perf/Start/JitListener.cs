using System.Diagnostics.Tracing;

namespace MsResampler.Perf.Start;

/// <summary>Listens to the just-in-time compiler of this process. Listening makes every compilation slower.</summary>
internal sealed class JitListener : EventListener
{
    private const EventKeywords JitKeyword = (EventKeywords)0x10;

    /// <summary>The events reach the listener in batches, with a delay.</summary>
    private static readonly TimeSpan s_delay = TimeSpan.FromSeconds(0.5);

    private readonly Dictionary<(long Thread, ulong Method), DateTime> _started = [];
    private readonly List<(string Name, string Tier, DateTime Start, TimeSpan Time)> _methods = [];

    /// <summary>All methods compiled so far, each with the phase during which its compilation started.</summary>
    /// <param name="phases">The phases and when they ended, in UTC, in order.</param>
    public IReadOnlyList<CompiledMethod> Methods(IReadOnlyList<(string Name, DateTime End)> phases)
    {
        Thread.Sleep(s_delay);
        lock (_methods)
            return [.. _methods.Select(method => new CompiledMethod(method.Name, method.Tier,
                method.Time.TotalMilliseconds,
                phases.FirstOrDefault(phase => method.Start < phase.End, phases[^1]).Name))];
    }

    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name == "Microsoft-Windows-DotNETRuntime")
            EnableEvents(eventSource, EventLevel.Verbose, JitKeyword);
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        // The base constructor may raise events before the fields of this class are set.
        if (_started is null || _methods is null || eventData.EventName is not { } name)
            return;
        lock (_methods)
        {
            if (name.StartsWith("MethodJittingStarted", StringComparison.Ordinal))
                _started[(eventData.OSThreadId, Payload<ulong>(eventData, "MethodID"))] = eventData.TimeStamp;
            else if (name.StartsWith("MethodLoadVerbose", StringComparison.Ordinal) && _started.Remove(
                (eventData.OSThreadId, Payload<ulong>(eventData, "MethodID")), out DateTime start))
            {
                string type = Payload<string>(eventData, "MethodNamespace");
                _methods.Add(($"{type}.{Payload<string>(eventData, "MethodName")}",
                    Tier(Payload<uint>(eventData, "MethodFlags")), start, eventData.TimeStamp - start));
            }
        }
    }

    private static T Payload<T>(EventWrittenEventArgs eventData, string name)
        => (T)eventData.Payload![eventData.PayloadNames!.IndexOf(name)]!;

    /// <summary>The tier, which the event stores in bits 7 to 9 of the flags.</summary>
    private static string Tier(uint flags) => ((flags >> 7) & 7) switch
    {
        1 => "not optimised",
        2 => "optimised",
        3 => "tier 0",
        4 => "tier 1",
        5 => "tier 1, replaced on the stack",
        6 => "precompiled",
        7 => "tier 0, instrumented",
        _ => "unknown",
    };
}
