using System.Runtime.CompilerServices;

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
    /// every task of a phase that is cancellable. The first exception of a task is rethrown likewise, after all threads
    /// have left the work.</exception>
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
            bool isCancellable = work.IsCancellable(phase);
            for (int task = 0, count = work.TaskCount(phase); task < count; task++)
            {
                if (isCancellable)
                    cancellationToken.ThrowIfCancellationRequested();
                work.Execute(phase, task, worker: 0);
            }
        }
    }

    /// <summary>Runs a body for every index below a count and returns when all are done.</summary>
    public void For(int count, Action<int> body) => Run(new Loop(count, body), CancellationToken.None);

    /// <summary>Lets the threads end. Work that runs finishes on the caller's thread.</summary>
    public void Dispose()
    {
        _shared.Stop();
        GC.SuppressFinalize(this);
    }

    private sealed class Loop(int count, Action<int> body) : IPhasedWork
    {
        public int PhaseCount => 1;

        public int TaskCount(int phase) => count;

        public void Execute(int phase, int task, int worker) => body(task);
    }

    private sealed class Shared
    {
        /// <summary>Spins of a wait: about a millisecond, more than the last tasks of a phase take. Waking a thread takes a
        /// tenth of that, which is too much between the phases of a call of a few milliseconds.</summary>
        private const int SpinCount = 2000;

        /// <summary>Spins of a wait where threads have no processor each: a few microseconds.</summary>
        private const int ShortSpinCount = 20;

        /// <summary>Bounds of the number of waits that spin shortly after one that spun in vain.</summary>
        private const int MinRestCount = 16;
        private const int MaxRestCount = 1024;

        /// <summary>Stands for a phase: the helpers have left the work.</summary>
        private const int Departure = -1;

        private readonly object _signal = new();
        private readonly object _progress = new();
        private IPhasedWork? _work;
        private CancellationToken _cancellationToken;
        private Exception? _failure;
        private int[] _next = new int[16];
        private int[] _done = new int[16];
        private int _generation;
        private int _helperCount;
        private int _sleeperCount;
        private int _restCount;
        private int _nextRestCount = MinRestCount;
        private bool _isStopping;

        public void Run(IPhasedWork work, CancellationToken cancellationToken)
        {
            if (_next.Length < work.PhaseCount)
                (_next, _done) = (new int[work.PhaseCount], new int[work.PhaseCount]);
            Array.Clear(_next);
            Array.Clear(_done);
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
            Await(Departure, 0);
            Exception? failure = _failure;
            // The pool outlives what the caller gave it.
            _failure = null;
            _cancellationToken = default;
            if (failure is not null)
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }

        public void Help(int worker)
        {
            int seen = 0;
            while (HelpOnce(worker, ref seen))
            {
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

        /// <summary>Waits for work and helps with it; false when the pool stops. A method of its own, so that a thread that
        /// waits refers to no work.</summary>
        [MethodImpl(MethodImplOptions.NoInlining)]
        private bool HelpOnce(int worker, ref int seen)
        {
            // Calls often follow each other closely; a short spin saves the wake-up.
            SpinWait spin = default;
            while (Volatile.Read(ref _generation) == seen && !spin.NextSpinWillYield)
                spin.SpinOnce();
            if (!TryJoin(ref seen, out IPhasedWork? work))
                return false;
            if (work is null)
                return true;
            RunPhases(work, worker);
            if (Interlocked.Decrement(ref _helperCount) == 0)
                WakeSleepers();
            return true;
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private bool TryJoin(ref int seen, out IPhasedWork? work)
        {
            lock (_signal)
            {
                while (_generation == seen && !_isStopping)
                    Monitor.Wait(_signal);
                seen = _generation;
                work = _work;
                if (_isStopping)
                    return false;
                if (work is not null)
                    Interlocked.Increment(ref _helperCount);
                return true;
            }
        }

        private void RunPhases(IPhasedWork work, int worker)
        {
            int phaseCount = work.PhaseCount;
            for (int phase = 0; phase < phaseCount; phase++)
            {
                int count = work.TaskCount(phase);
                bool isCancellable = work.IsCancellable(phase);
                for (int task; (task = Interlocked.Increment(ref _next[phase]) - 1) < count;)
                {
                    if (Volatile.Read(ref _failure) is not null)
                        return;
                    try
                    {
                        if (isCancellable)
                            _cancellationToken.ThrowIfCancellationRequested();
                        work.Execute(phase, task, worker);
                    }
                    catch (Exception e)
                    {
                        Interlocked.CompareExchange(ref _failure, e, null);
                        WakeSleepers();
                        return;
                    }

                    if (Interlocked.Increment(ref _done[phase]) == count)
                        WakeSleepers();
                }

                // After the last phase a helper has nothing to wait for.
                if (worker > 0 && phase + 1 == phaseCount)
                    return;
                Await(phase, count);
                if (Volatile.Read(ref _failure) is not null)
                    return;
            }
        }

        /// <summary>Waits until all tasks of a phase are done, or one has failed.</summary>
        /// <remarks>Where every thread has a processor, spinning is the quickest. Where threads are more than processors it
        /// takes the processor from the thread that is waited for; so after a wait that spun in vain the next ones sleep
        /// soon, the more of them the more often that happens. Nothing yields: a scheduler may charge a thread for each
        /// of many yields, and keep it from running for seconds afterwards.</remarks>
        private void Await(int phase, int count)
        {
            if (IsOver(phase, count))
                return;
            bool isResting = Volatile.Read(ref _restCount) > 0;
            for (int spin = isResting ? ShortSpinCount : SpinCount; spin > 0; spin--)
            {
                Thread.SpinWait(10);
                if (!IsOver(phase, count))
                    continue;
                if (!isResting)
                    _nextRestCount = Math.Max(_nextRestCount / 2, MinRestCount);
                return;
            }

            // Threads may overwrite each other's counts, which changes how long they spin and nothing else.
            if (isResting)
                _restCount--;
            else
                (_restCount, _nextRestCount) = (_nextRestCount, Math.Min(2 * _nextRestCount, MaxRestCount));
            // Counted before the last look: whoever brings about what is waited for looks for sleepers afterwards.
            Interlocked.Increment(ref _sleeperCount);
            lock (_progress)
            {
                while (!IsOver(phase, count))
                    Monitor.Wait(_progress);
            }

            Interlocked.Decrement(ref _sleeperCount);
        }

        private bool IsOver(int phase, int count) => phase == Departure ? Volatile.Read(ref _helperCount) == 0
            : Volatile.Read(ref _done[phase]) >= count || Volatile.Read(ref _failure) is not null;

        private void WakeSleepers()
        {
            if (Volatile.Read(ref _sleeperCount) == 0)
                return;
            lock (_progress)
                Monitor.PulseAll(_progress);
        }
    }
}
