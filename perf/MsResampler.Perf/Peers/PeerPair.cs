namespace MsResampler.Perf.Peers;

/// <summary>The same model in the engine and in ONNX Runtime, with the same features.</summary>
internal sealed class PeerPair : IDisposable
{
    private readonly PerfModel _model;
    private readonly int _threadCount;
    private readonly string _graph;
    private readonly Resampler _engine;
    private readonly OnnxPeer _peer;
    private float[] _features = [];
    private PatchGrid[] _grids = [];

    public PeerPair(PeerShape shape, int threadCount)
    {
        _model = PerfModel.Of(shape);
        _threadCount = threadCount;
        _graph = OnnxPeer.WriteGraph(_model);
        _engine = Resampler.Load(_model.Folder, new ResamplerOptions { ThreadCount = threadCount });
        _peer = new OnnxPeer(_graph, threadCount);
    }

    public ExecutionPlan Plan => _engine.Plan(_model.Shape.Grid);

    public float[] OursTokens { get; private set; } = [];

    public float[] PeerTokens { get; private set; } = [];

    /// <summary>Prepares calls with <paramref name="batch"/> images.</summary>
    public void Bind(int batch)
    {
        PeerShape shape = _model.Shape;
        _features = _model.Features(batch);
        _grids = [.. Enumerable.Repeat(shape.Grid, batch)];
        OursTokens = _model.Tokens(batch);
        PeerTokens = _model.Tokens(batch);
        _peer.Bind(_features, shape.InputShape(batch), PeerTokens, shape.OutputShape(batch));
    }

    public void RunOurs() => _engine.Resample(_features, _grids, OursTokens);

    public void RunPeer() => _peer.Run();

    /// <summary>Measures loading and the first call of both, in new processes.</summary>
    public (ColdStart Ours, ColdStart Peer) MeasureColdStarts(int batch, int processCount)
        => (ColdStart.Measure(_model.Folder, _model.Shape, batch, _threadCount, processCount),
            ColdStart.Measure(_graph, _model.Shape, batch, _threadCount, processCount));

    public void Dispose()
    {
        _engine.Dispose();
        _peer.Dispose();
    }
}
