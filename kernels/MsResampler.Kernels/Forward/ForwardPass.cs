namespace MsResampler.Kernels.Forward;

/// <summary>The steps of a forward pass, to be run repeatedly with the same operands. The first run starts them one by
/// one, which loads the kernels. The second records them as a graph, and from then on they are started as the graph, if
/// the device has graphs.</summary>
internal sealed class ForwardPass : IDisposable
{
    private int _runCount;
    private IDeviceGraph? _graph;

    /// <summary>The steps in order; null until they are set.</summary>
    public IReadOnlyList<ForwardStep>? Steps { get; set; }

    /// <summary>Starts the steps.</summary>
    /// <param name="kernels">The device's kernels.</param>
    /// <param name="stream">The stream, the same for every run.</param>
    /// <param name="cancellationToken">Checked between launches; a graph is started as a whole.</param>
    public void Run(KernelLibrary kernels, IDeviceStream stream, CancellationToken cancellationToken)
    {
        if (++_runCount == 2)
            _graph = Record(Steps!, kernels, stream);
        if (_graph is null || !stream.TryLaunch(_graph))
            Start(Steps!, kernels, stream, cancellationToken);
    }

    /// <summary>Starts steps one by one.</summary>
    public static void Start(IReadOnlyList<ForwardStep> steps, KernelLibrary kernels, IDeviceStream stream,
        CancellationToken cancellationToken)
    {
        foreach (ForwardStep step in steps)
        {
            step.Launch.Start(kernels, stream);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Disposes the graph.</summary>
    public void Dispose() => _graph?.Dispose();

    // A method of its own, so that Run allocates no closure.
    private static IDeviceGraph? Record(IReadOnlyList<ForwardStep> steps, KernelLibrary kernels, IDeviceStream stream)
        => stream.Capture(() => Start(steps, kernels, stream, CancellationToken.None));
}
