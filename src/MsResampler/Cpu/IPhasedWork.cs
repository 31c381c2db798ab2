namespace MsResampler.Cpu;

/// <summary>Work in phases: the tasks of a phase are independent, and a phase starts when the one
/// before is done.</summary>
internal interface IPhasedWork
{
    int PhaseCount { get; }

    /// <summary>The number of tasks of a phase, known when the work is started.</summary>
    int TaskCount(int phase);

    /// <summary>Whether the tasks of a phase may be left out when the work is cancelled. A phase that writes to the
    /// caller's memory is finished once it has begun, so that cancelled work leaves that memory as it was.</summary>
    bool IsCancellable(int phase) => true;

    /// <summary>Runs one task.</summary>
    /// <param name="phase">The phase.</param>
    /// <param name="task">From 0, each exactly once, in any order and on any thread.</param>
    /// <param name="worker">Index of the running thread, below the pool's thread count; never two at once.</param>
    void Execute(int phase, int task, int worker);
}
