namespace MsResampler.Kernels.Device;

/// <summary>The operations of a recording in their order. It decides which launches are dependent: they may begin while
/// the launch before them still runs, because their kernel itself waits for it.</summary>
/// <remarks>A kernel that has begun early and waits holds its place on the multiprocessors, and starts its work as soon
/// as the last block before it has ended. It sees everything that was written before, because the kernel before it has
/// waited in the same way. Only kernels permit others to begin early: a launch after a copy is an ordinary
/// one.</remarks>
internal sealed class LaunchSequence
{
    private bool _endsWithLaunch;

    /// <summary>The number of dependent launches.</summary>
    public int DependentCount { get; private set; }

    /// <summary>Adds a launch.</summary>
    /// <returns>Whether it is dependent.</returns>
    public bool AddLaunch(CompiledKernel kernel)
    {
        bool isDependent = _endsWithLaunch && kernel.WaitsForDependencies;
        _endsWithLaunch = true;
        DependentCount += isDependent ? 1 : 0;
        return isDependent;
    }

    /// <summary>Adds another operation.</summary>
    public void AddCopy() => _endsWithLaunch = false;
}
