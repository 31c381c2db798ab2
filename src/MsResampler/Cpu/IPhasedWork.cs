namespace MsResampler.Cpu;

/// <summary>Work in phases. The tasks of a phase are independent; a phase starts when all tasks of the previous
/// phase are done.</summary>
internal interface IPhasedWork
{
    /// <summary>The number of phases.</summary>
    int PhaseCount { get; }

    /// <summary>The number of tasks of a phase. It must not change while the work runs.</summary>
    int TaskCount(int phase);

    /// <summary>The name of a phase, for measurements.</summary>
    string NameOf(int phase) => "";

    /// <summary>Whether tasks of a phase may be skipped when the work is cancelled. A phase that writes to the
    /// caller's memory is not cancellable, so that cancelled work leaves that memory unchanged.</summary>
    bool IsCancellable(int phase) => true;

    /// <summary>Runs one task.</summary>
    /// <param name="phase">The phase.</param>
    /// <param name="task">The task, from 0. Each task runs once, in any order and on any thread.</param>
    /// <param name="worker">Index of the thread, below the thread count of the pool. Tasks that run at the same
    /// time have different indices.</param>
    void Execute(int phase, int task, int worker);
}
