using System.Diagnostics;

namespace MsResampler.Perf.Profile;

/// <summary>Runs work and records when each of its tasks started and ended, and on which thread. The memory is reused,
/// so that a repeated call allocates nothing while it is timed.</summary>
internal sealed class WorkTimes : IPhasedWork
{
    private IPhasedWork? _work;
    private TaskTime[][] _tasks = [];

    /// <summary>The names of the phases.</summary>
    public IReadOnlyList<string> Names { get; private set; } = [];

    /// <summary>The time when the work was handed to the threads, in ticks of <see cref="Stopwatch"/>.</summary>
    public long Start { get; private set; }

    public int PhaseCount => _tasks.Length;

    /// <summary>The times of the tasks of a phase.</summary>
    public ReadOnlySpan<TaskTime> Tasks(int phase) => _tasks[phase];

    /// <summary>Prepares to run <paramref name="work"/>.</summary>
    public void Begin(IPhasedWork work)
    {
        _work = work;
        if (_tasks.Length != work.PhaseCount)
        {
            _tasks = new TaskTime[work.PhaseCount][];
            Names = [.. Enumerable.Range(0, work.PhaseCount).Select(work.NameOf)];
        }

        for (int phase = 0; phase < _tasks.Length; phase++)
            if (_tasks[phase]?.Length != work.TaskCount(phase))
                _tasks[phase] = new TaskTime[work.TaskCount(phase)];
        Start = Stopwatch.GetTimestamp();
    }

    public int TaskCount(int phase) => _tasks[phase].Length;

    public bool IsCancellable(int phase) => _work!.IsCancellable(phase);

    public void Execute(int phase, int task, int worker)
    {
        long start = Stopwatch.GetTimestamp();
        _work!.Execute(phase, task, worker);
        _tasks[phase][task] = new TaskTime(start, Stopwatch.GetTimestamp(), worker);
    }
}
