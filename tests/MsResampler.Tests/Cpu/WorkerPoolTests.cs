using System.Diagnostics;
using MsResampler.Cpu;

namespace MsResampler.Tests.Cpu;

public class WorkerPoolTests
{
    private sealed class Work(int[] counts, Action<int, int, int> execute) : IPhasedWork
    {
        /// <summary>The phase that is completed once it has started, or −1.</summary>
        public int FinishedPhase { get; init; } = -1;

        public bool IsCancellable(int phase) => phase != FinishedPhase;

        public int PhaseCount => counts.Length;

        public int TaskCount(int phase) => counts[phase];

        public void Execute(int phase, int task, int worker) => execute(phase, task, worker);
    }

    private static readonly int[] s_counts = [3, 0, 1, 200, 0, 7, 64, 1, 1, 5, 2, 2, 2, 2, 2, 2, 2, 9];

    [Test]
    public void Every_task_runs_once_and_phases_run_in_order([Values(1, 2, 3, 8)] int threadCount)
    {
        using WorkerPool pool = new(threadCount);
        for (int run = 0; run < 50; run++)
        {
            int[][] runs = [.. s_counts.Select(count => new int[count])];
            int[] inUse = new int[threadCount];
            int errors = 0;
            int done = 0;
            pool.Run(new Work(s_counts, (phase, task, worker) =>
            {
                if (Interlocked.Increment(ref inUse[worker]) != 1)
                    Interlocked.Increment(ref errors);
                int before = s_counts.Take(phase).Sum();
                int now = Volatile.Read(ref done);
                if (now < before || now > before + s_counts[phase])
                    Interlocked.Increment(ref errors);
                Interlocked.Increment(ref runs[phase][task]);
                Interlocked.Increment(ref done);
                Interlocked.Decrement(ref inUse[worker]);
            }), CancellationToken.None);

            Assert.That(errors, Is.Zero);
            Assert.That(runs.SelectMany(phase => phase), Is.All.EqualTo(1));
        }
    }

    [Test]
    public void Threads_share_the_tasks()
    {
        using WorkerPool pool = new(3);
        using CountdownEvent present = new(3);

        // Each task waits for the others, which requires different threads.
        pool.Run(new Work([3], (_, _, _) =>
        {
            present.Signal();
            Assert.That(present.Wait(TimeSpan.FromSeconds(20)), Is.True);
        }), CancellationToken.None);

        Assert.That(present.IsSet, Is.True);
    }

    [Test]
    public void An_exception_reaches_the_caller_and_the_pool_stays_usable([Values(1, 4)] int threadCount,
        [Values(0, 2, 17)] int badPhase)
    {
        using WorkerPool pool = new(threadCount);
        for (int run = 0; run < 50; run++)
        {
            int late = 0;
            Assert.That(() => pool.Run(new Work(s_counts, (phase, _, _) =>
            {
                if (phase > badPhase)
                    Interlocked.Increment(ref late);
                if (phase == badPhase)
                    throw new FormatException("task");
            }), CancellationToken.None), Throws.TypeOf<FormatException>());
            Assert.That(late, Is.Zero);

            int count = 0;
            pool.Run(new Work([100, 100], (_, _, _) => Interlocked.Increment(ref count)), CancellationToken.None);
            Assert.That(count, Is.EqualTo(200));
        }
    }

    [Test]
    public void Cancellation_stops_before_the_next_task([Values(1, 4)] int threadCount)
    {
        using WorkerPool pool = new(threadCount);
        using CancellationTokenSource source = new();
        int count = 0;

        Assert.That(() => pool.Run(new Work([100_000, 5], (_, _, _) =>
        {
            int task = Interlocked.Increment(ref count);
            if (task == 10)
                source.Cancel();
            else if (task > 10)
                source.Token.WaitHandle.WaitOne(); // the tenth may be held up between counting and cancelling
        }), source.Token), Throws.InstanceOf<OperationCanceledException>());

        // Each thread may have been running one task.
        Assert.That(count, Is.InRange(10, 10 + threadCount));
        Assert.That(() => pool.Run(new Work([1], (_, _, _) => count = -1), source.Token),
            Throws.InstanceOf<OperationCanceledException>());
        Assert.That(count, Is.Not.EqualTo(-1));
    }

    [Test]
    public void A_phase_that_cannot_be_cancelled_completes_once_started([Values(1, 4)] int threadCount)
    {
        using WorkerPool pool = new(threadCount);
        for (int cancelledPhase = 0; cancelledPhase < 2; cancelledPhase++)
        {
            using CancellationTokenSource source = new();
            int count = 0;
            Work work = new([50, 50], (phase, task, _) =>
            {
                if (phase == cancelledPhase && task == 20)
                    source.Cancel();
                Interlocked.Add(ref count, phase);
            })
            { FinishedPhase = 1 };

            if (cancelledPhase == 0)
                Assert.That(() => pool.Run(work, source.Token), Throws.InstanceOf<OperationCanceledException>());
            else
                Assert.That(() => pool.Run(work, source.Token), Throws.Nothing);
            Assert.That(count, Is.EqualTo(cancelledPhase == 0 ? 0 : 50));
        }
    }

    [Test]
    public void A_pool_keeps_no_reference_to_work_or_token()
    {
        using WorkerPool pool = new(3);
        (WeakReference work, WeakReference source) = RunAndForget(pool);

        for (int round = 0; round < 500 && (work.IsAlive || source.IsAlive); round++)
        {
            GC.Collect();
            Thread.Sleep(10);
        }

        Assert.That((work.IsAlive, source.IsAlive), Is.EqualTo((false, false)));
        GC.KeepAlive(pool);
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static (WeakReference Work, WeakReference Source) RunAndForget(WorkerPool pool)
    {
        CancellationTokenSource source = new();
        Work work = new([9, 9], (_, _, _) => Thread.Sleep(1));
        pool.Run(work, source.Token);
        return (new WeakReference(work), new WeakReference(source));
    }

    /// <summary>A process may lose processors after the pool was created. Spinning threads would then take the
    /// remaining processors from the threads that they wait for: 16 threads on 2 processors took four times as long
    /// as one thread.</summary>
    [Test]
    [NonParallelizable]
    public void Threads_without_a_processor_cost_little()
    {
        using WorkerPool one = new(1);
        using WorkerPool many = new(8 * Environment.ProcessorCount);
        // Eight phases, as in a call; a task takes about a quarter of a millisecond.
        Work work = new([.. Enumerable.Repeat(16, 8)], (_, _, _) => Thread.SpinWait(7_000));
        TimeSpan Best(WorkerPool pool) => Enumerable.Range(0, 7).Min(_ =>
        {
            long start = Stopwatch.GetTimestamp();
            for (int run = 0; run < 5; run++)
                pool.Run(work, CancellationToken.None);
            return Stopwatch.GetElapsedTime(start);
        });
        Best(many);

        Measured.AssertBelow(1.2, "times of one thread", () =>
        {
            TimeSpan alone = Best(one);
            return Best(many) / alone;
        });
    }

    [Test]
    public void A_nested_run_executes_on_the_same_thread([Values(1, 3)] int threadCount)
    {
        using WorkerPool pool = new(threadCount);
        int inner = 0;
        int strayed = 0;
        int[] runs = new int[40];

        pool.Run(new Work([20, 20], (phase, task, _) =>
        {
            int thread = Environment.CurrentManagedThreadId;
            Interlocked.Increment(ref runs[(20 * phase) + task]);
            pool.Run(new Work([5, 5], (_, _, worker) =>
            {
                Interlocked.Increment(ref inner);
                if (worker != 0 || Environment.CurrentManagedThreadId != thread)
                    Interlocked.Increment(ref strayed);
            }), CancellationToken.None);
        }), CancellationToken.None);

        Assert.That(runs, Is.All.EqualTo(1));
        Assert.That((inner, strayed), Is.EqualTo((400, 0)));
    }

    [Test]
    public void Concurrent_callers_complete_their_own_work()
    {
        using WorkerPool pool = new(2);
        int[] sums = new int[8];

        Parallel.For(0, sums.Length, new ParallelOptions { MaxDegreeOfParallelism = 8 }, caller =>
        {
            for (int run = 0; run < 200; run++)
                pool.Run(new Work([4, 3], (_, _, _) => Interlocked.Increment(ref sums[caller])),
                    CancellationToken.None);
        });

        Assert.That(sums, Is.All.EqualTo(1400));
    }

    [Test]
    public void Ten_thousand_tiny_runs_are_quick()
    {
        using WorkerPool pool = new(2);
        int count = 0;
        Work work = new([2, 2], (_, _, _) => Interlocked.Increment(ref count));
        long start = Stopwatch.GetTimestamp();

        for (int run = 0; run < 10_000; run++)
            pool.Run(work, CancellationToken.None);

        Assert.That(count, Is.EqualTo(40_000));
        // The limit allows a millisecond per run, about fifty times the expected time.
        Assert.That(Stopwatch.GetElapsedTime(start), Is.LessThan(TimeSpan.FromSeconds(10)));
    }

    [Test]
    public void After_disposal_work_runs_on_the_caller()
    {
        WorkerPool pool = new(3);
        pool.Dispose();
        pool.Dispose();
        int strayed = 0;
        int thread = Environment.CurrentManagedThreadId;

        pool.Run(new Work([20], (_, _, _) => strayed += Environment.CurrentManagedThreadId == thread ? 0 : 1),
            CancellationToken.None);

        Assert.That(strayed, Is.Zero);
    }

    [Test]
    public void A_pool_has_at_least_one_thread()
        => Assert.That(() => new WorkerPool(0), Throws.TypeOf<ArgumentOutOfRangeException>());
}
