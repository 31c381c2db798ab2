namespace MsResampler.Cpu;

/// <summary>Threads that run <see cref="IPhasedWork"/> together with the caller. Tasks are handed out one at a time, so
/// unequal ones balance; nothing is allocated per run.</summary>
/// <remarks>One caller at a time has the helpers. A second one that comes meanwhile runs its work alone on its own
/// thread: with many callers there is enough to do, and nobody waits for anybody. A helper that wakes up late joins the
/// phase it finds; no phase waits for it. The threads hold on to the shared state only, so a pool that nobody
/// refers to any more is finalised and its threads end.</remarks>
internal sealed class WorkerPool : IDisposable
{
    // Set before the constructor can throw: the finaliser runs even then.
    private readonly Shared _shared = new();
    private int _isTaken;

    public WorkerPool(int threadCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threadCount, 1);
        ThreadCount = threadCount;
        for (int index = 1; index < threadCount; index++)
        {
            int worker = index;
            Shared shared = _shared;
            Thread thread = new(() => shared.Help(worker))
            {
                IsBackground = true,
                Name = $"MsResampler worker {index}",
            };
            thread.Start();
        }
    }

    ~WorkerPool() => _shared.Stop();

    /// <summary>The most threads that run one piece of work, the caller's included.</summary>
    public int ThreadCount { get; }

    /// <summary>Runs all phases and returns when the last task is done.</summary>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled; checked before
    /// every task. The first exception of a task is rethrown likewise, after all threads have left
    /// the work.</exception>
    public void Run(IPhasedWork work, CancellationToken cancellationToken)
    {
        // Not a lock, which would let a task's own thread in again.
        if (ThreadCount > 1 && Interlocked.Exchange(ref _isTaken, 1) == 0)
        {
            try
            {
                _shared.Run(work, cancellationToken);
            }
            finally
            {
                Volatile.Write(ref _isTaken, 0);
            }

            GC.KeepAlive(this);
            return;
        }

        for (int phase = 0; phase < work.PhaseCount; phase++)
        {
            for (int task = 0, count = work.TaskCount(phase); task < count; task++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                work.Execute(phase, task, worker: 0);
            }
        }
    }

    /// <summary>Lets the threads end. Work that runs finishes on the caller's thread.</summary>
    public void Dispose()
    {
        _shared.Stop();
        GC.SuppressFinalize(this);
    }

    private sealed class Shared
    {
        private readonly object _signal = new();
        private IPhasedWork? _work;
        private CancellationToken _cancellationToken;
        private Exception? _failure;
        private int[] _next = new int[16];
        private int[] _done = new int[16];
        private int _generation;
        private int _helperCount;
        private bool _isStopping;

        public void Run(IPhasedWork work, CancellationToken cancellationToken)
        {
            if (_next.Length < work.PhaseCount)
                (_next, _done) = (new int[work.PhaseCount], new int[work.PhaseCount]);
            Array.Clear(_next);
            Array.Clear(_done);
            _failure = null;
            _cancellationToken = cancellationToken;
            lock (_signal)
            {
                _work = work;
                _generation++;
                Monitor.PulseAll(_signal);
            }

            RunPhases(work, worker: 0);
            lock (_signal)
                _work = null;
            for (int pause = 0; Volatile.Read(ref _helperCount) > 0; pause++)
                Pause(pause);
            if (_failure is { } failure)
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }

        public void Help(int worker)
        {
            int seen = 0;
            while (true)
            {
                // Calls often follow each other closely; a short spin saves the wake-up.
                SpinWait spin = default;
                while (Volatile.Read(ref _generation) == seen && !spin.NextSpinWillYield)
                    spin.SpinOnce();
                IPhasedWork? work;
                lock (_signal)
                {
                    while (_generation == seen && !_isStopping)
                        Monitor.Wait(_signal);
                    if (_isStopping)
                        return;
                    seen = _generation;
                    work = _work;
                    if (work is not null)
                        Interlocked.Increment(ref _helperCount);
                }

                if (work is null)
                    continue;
                RunPhases(work, worker);
                Interlocked.Decrement(ref _helperCount);
            }
        }

        public void Stop()
        {
            lock (_signal)
            {
                _isStopping = true;
                Monitor.PulseAll(_signal);
            }
        }

        private void RunPhases(IPhasedWork work, int worker)
        {
            for (int phase = 0; phase < work.PhaseCount; phase++)
            {
                int count = work.TaskCount(phase);
                for (int task; (task = Interlocked.Increment(ref _next[phase]) - 1) < count;)
                {
                    if (Volatile.Read(ref _failure) is not null)
                        return;
                    try
                    {
                        _cancellationToken.ThrowIfCancellationRequested();
                        work.Execute(phase, task, worker);
                    }
                    catch (Exception e)
                    {
                        Interlocked.CompareExchange(ref _failure, e, null);
                        return;
                    }

                    Interlocked.Increment(ref _done[phase]);
                }

                for (int pause = 0; Volatile.Read(ref _done[phase]) < count; pause++)
                {
                    if (Volatile.Read(ref _failure) is not null)
                        return;
                    Pause(pause);
                }
            }
        }

        /// <summary>Spins for about a millisecond, more than the last tasks of a phase take, then sleeps: whoever is
        /// waited for may have lost its processor. Nothing yields: a scheduler may charge a thread for each of many
        /// yields, and keep it from running for seconds afterwards.</summary>
        private static void Pause(int index)
        {
            const int SpinCount = 2000;
            if (index < SpinCount)
                Thread.SpinWait(10);
            else
                Thread.Sleep(1);
        }
    }
}
