namespace MsResampler.Perf.Measuring;

/// <summary>Tasks with dependencies, and their simulated execution on a number of threads. A task of 0 ms collects
/// dependencies.</summary>
internal sealed class TaskGraph
{
    private readonly List<double> _milliseconds = [];
    private readonly List<List<int>> _following = [];
    private readonly List<int> _precedingCount = [];

    /// <summary>The sum of all tasks.</summary>
    public double TotalMs => _milliseconds.Sum();

    /// <summary>The longest chain of tasks that depend on one another.</summary>
    public double CriticalPathMs => RemainingPaths().Max();

    /// <summary>Adds a task that depends on earlier ones. Returns its index.</summary>
    public int Add(double milliseconds, IEnumerable<int> preceding)
    {
        int task = _milliseconds.Count;
        _milliseconds.Add(milliseconds);
        _following.Add([]);
        int count = 0;
        foreach (int other in preceding)
        {
            _following[other].Add(task);
            count++;
        }

        _precedingCount.Add(count);
        return task;
    }

    /// <summary>The time until the last task ends, if every free thread takes the ready task with the longest chain
    /// of tasks after it.</summary>
    public double Schedule(int threadCount)
    {
        double[] paths = RemainingPaths();
        int[] waiting = [.. _precedingCount];
        PriorityQueue<int, (double, int)> ready = new();
        PriorityQueue<int, double> running = new();
        for (int task = 0; task < waiting.Length; task++)
            if (waiting[task] == 0)
                ready.Enqueue(task, (-paths[task], task));
        double now = 0;
        int free = threadCount;
        while (true)
        {
            while (free > 0 && ready.TryDequeue(out int next, out _))
            {
                running.Enqueue(next, now + _milliseconds[next]);
                free--;
            }

            if (!running.TryDequeue(out int done, out now))
                return now;
            free++;
            foreach (int task in _following[done])
                if (--waiting[task] == 0)
                    ready.Enqueue(task, (-paths[task], task));
            // At the end the queue is empty, and the time of the last task must survive.
            if (running.Count == 0 && ready.Count == 0)
                return now;
        }
    }

    /// <summary>For each task the longest chain that starts with it. Dependencies point forwards.</summary>
    private double[] RemainingPaths()
    {
        double[] paths = new double[_milliseconds.Count];
        for (int task = paths.Length - 1; task >= 0; task--)
        {
            foreach (int other in _following[task])
                paths[task] = Math.Max(paths[task], paths[other]);
            paths[task] += _milliseconds[task];
        }

        return paths;
    }
}
