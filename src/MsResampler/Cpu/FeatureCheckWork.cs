namespace MsResampler.Cpu;

/// <summary>Runs a <see cref="FeatureCheck"/> on the engine's threads.</summary>
internal sealed unsafe class FeatureCheckWork : IPhasedWork
{
    private readonly FeatureCheck _check = new();

    public int PhaseCount => 1;

    public string NameOf(int phase) => "FeatureCheck";

    public int TaskCount(int phase) => _check.ChunkCount;

    public void Execute(int phase, int task, int worker) => _check.SearchChunk(task);

    /// <summary>Index of the first feature that is NaN or infinite, or −1. One call at a time.</summary>
    public int Find(float* features, int count, WorkerPool workers, CancellationToken cancellationToken)
    {
        _check.Start(features, count);
        workers.Run(this, cancellationToken);
        return _check.FirstIndex;
    }
}
