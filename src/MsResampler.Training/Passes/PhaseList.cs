using MsResampler.Cpu;

namespace MsResampler.Training.Passes;

/// <summary>Phases of a pass, each with independent tasks that the threads share.</summary>
internal sealed class PhaseList : IPhasedWork
{
    private readonly List<(string Name, int TaskCount, PhaseTask Body)> _phases = [];

    /// <summary>Runs one task of a phase.</summary>
    /// <param name="task">The task.</param>
    /// <param name="worker">The thread, below the number of threads.</param>
    internal delegate void PhaseTask(int task, int worker);

    public int PhaseCount => _phases.Count;

    /// <summary>Adds a phase, which starts when all tasks of the phase before are done.</summary>
    public void Add(string name, int taskCount, PhaseTask body)
    {
        if (taskCount > 0)
            _phases.Add((name, taskCount, body));
    }

    public int TaskCount(int phase) => _phases[phase].TaskCount;

    public string NameOf(int phase) => _phases[phase].Name;

    public void Execute(int phase, int task, int worker) => _phases[phase].Body(task, worker);
}
