namespace MsResampler.Perf.Profile;

/// <summary>Threads of an engine that time every task.</summary>
/// <param name="threadCount">The number of threads for which the engine cuts its work.</param>
/// <param name="isSequential">Whether the calling thread runs all tasks, which tells how long the tasks take that the
/// engine would give to more threads than the machine has.</param>
internal sealed class TimingPool(int threadCount, bool isSequential) : WorkerPool(isSequential ? 1 : threadCount)
{
    private readonly List<WorkTimes> _works = [];
    private int _count;

    public override int ThreadCount => threadCount;

    /// <summary>The works that ran since the last <see cref="Restart"/>, in order.</summary>
    public IEnumerable<WorkTimes> Works => _works.Take(_count);

    /// <summary>The number of tasks of every phase that has tasks, in order.</summary>
    public IEnumerable<int> TaskCounts => Works.SelectMany(work => Enumerable.Range(0, work.PhaseCount)
        .Select(work.TaskCount).Where(count => count > 0));

    /// <summary>Forgets the works that ran so far.</summary>
    public void Restart() => _count = 0;

    public override void Run(IPhasedWork work, CancellationToken cancellationToken)
    {
        // Preparations of a grid, which only its first call makes, have no name.
        if (work.NameOf(0).Length == 0)
        {
            base.Run(work, cancellationToken);
            return;
        }

        if (_count == _works.Count)
            _works.Add(new WorkTimes());
        WorkTimes times = _works[_count++];
        times.Begin(work);
        base.Run(times, cancellationToken);
    }
}
