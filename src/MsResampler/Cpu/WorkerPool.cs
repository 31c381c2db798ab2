using System.Runtime.CompilerServices;

namespace MsResampler.Cpu;

/// <summary>Threads that run <see cref="IPhasedWork"/> together with the calling thread. Threads take tasks one
/// at a time, so the load balances when tasks differ in length. A run allocates no memory.</summary>
/// <remarks>The helper threads serve one caller at a time. A concurrent caller runs its work on its own thread
/// only; with many callers the processors are busy anyway, and no caller waits for another. A helper that wakes
/// up late joins the current phase; no phase waits for it. The threads reference only the shared state, so an
/// unreferenced pool is finalised and its threads end. Measurements derive a pool that times the tasks.</remarks>
internal class WorkerPool : IDisposable
{
    // Initialised before the constructor can throw, because the finaliser runs even then.
    private readonly Shared _shared = new();
    private int _isTaken;

    /// <summary>Starts the helper threads.</summary>
    /// <param name="threadCount">The number of threads, the calling thread included; at least 1.</param>
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

    /// <summary>The largest number of threads that run one piece of work, the calling thread included.</summary>
    public virtual int ThreadCount { get; }

    /// <summary>Runs all phases and returns when the last task is done. If a task throws, the first exception
    /// is rethrown after all threads have left the work.</summary>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled. It is
    /// checked before every task of a cancellable phase.</exception>
    public virtual void Run(IPhasedWork work, CancellationToken cancellationToken)
    {
        // Not a lock: a task that calls Run would enter a lock that its own thread holds.
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

    /// <summary>Runs <paramref name="body"/> for every index below <paramref name="count"/> and returns when
    /// all are done.</summary>
    public void For(int count, Action<int> body) => Run(new Loop(count, body), CancellationToken.None);

    /// <summary>Ends the helper threads. Running work finishes on its calling thread.</summary>
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
        /// <summary>Iterations of a full spin, about a millisecond: longer than the last tasks of a phase take.
        /// Waking a sleeping thread takes about a tenth of that, too long between the phases of a call of a few
        /// milliseconds.</summary>
        private const int SpinCount = 2000;

        /// <summary>Iterations of a short spin, a few microseconds, for when threads outnumber processors.</summary>
        private const int ShortSpinCount = 20;

        /// <summary>Bounds of the number of waits with a short spin that follow an unsuccessful full spin.</summary>
        private const int MinRestCount = 16;
        private const int MaxRestCount = 1024;

        /// <summary>Passed to <see cref="Await"/> in place of a phase: wait until all helpers have left the
        /// work.</summary>
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
            // The pool must not keep the caller's objects alive.
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

        /// <summary>Waits for work and helps with it. Returns false when the pool stops. A separate method, so
        /// that the stack of a waiting thread holds no reference to work.</summary>
        [MethodImpl(MethodImplOptions.NoInlining)]
        private bool HelpOnce(int worker, ref int seen)
        {
            // Calls often come in quick succession; a short spin avoids the cost of waking up.
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

                // A helper leaves after the last phase without waiting.
                if (worker > 0 && phase + 1 == phaseCount)
                    return;
                Await(phase, count);
                if (Volatile.Read(ref _failure) is not null)
                    return;
            }
        }

        /// <summary>Waits until all tasks of a phase are done, or one has failed.</summary>
        /// <remarks>Spinning is fastest if every thread has a processor. If threads outnumber processors,
        /// spinning takes the processor from the thread that is waited for. After an unsuccessful full spin,
        /// the next waits therefore use a short spin and then sleep; their number doubles with each
        /// unsuccessful spin. The loop does not yield: a scheduler may charge the thread for each of many
        /// yields and then not run it for seconds.</remarks>
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

            // Benign race: threads may overwrite each other's counts, which only changes how long they spin.
            if (isResting)
                _restCount--;
            else
                (_restCount, _nextRestCount) = (_nextRestCount, Math.Min(2 * _nextRestCount, MaxRestCount));
            // Incremented before the condition is checked again: the thread that makes the condition true
            // checks the count of sleepers afterwards.
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
