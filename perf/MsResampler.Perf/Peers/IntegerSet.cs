namespace MsResampler.Perf.Peers;

/// <summary>A model with products of integers, in the engine and in ONNX Runtime, and in float32 in the
/// engine.</summary>
internal sealed class IntegerSet : IDisposable
{
    private readonly PerfModel _model;
    private readonly int _threadCount;
    private readonly Resampler[] _engines;
    private readonly OnnxPeer[] _peers;

    public IntegerSet(PeerShape shape, int threadCount)
    {
        _model = PerfModel.Of(shape);
        _threadCount = threadCount;
        string graph = OnnxPeer.WriteGraph(_model);
        ResamplerOptions float32 = new() { ThreadCount = threadCount };
        ResamplerOptions int8 = float32 with { Precision = Precision.Int8 };
        _engines =
        [
            Resampler.Load(_model.Folder, float32),
            Resampler.Load(_model.Folder, int8),
            Resampler.Load(_model.Folder, int8 with { Int8Layers = ModelLayers.All }),
        ];
        _peers =
        [
            new OnnxPeer(IntegerPeers.WriteDynamic(graph), threadCount),
            new OnnxPeer(IntegerPeers.WriteStatic(graph, _model.Features(batch: 1), shape.InputShape(batch: 1)),
                threadCount),
        ];
    }

    /// <summary>Times all implementations in turns.</summary>
    public IntegerRow Measure(int batch, TimeSpan duration)
    {
        PeerShape shape = _model.Shape;
        float[] features = _model.Features(batch);
        PatchGrid[] grids = _model.Grids(batch);
        float[][] tokens = [.. Enumerable.Range(0, _engines.Length + _peers.Length).Select(_ => _model.Tokens(batch))];
        for (int peer = 0; peer < _peers.Length; peer++)
            _peers[peer].Bind(features, shape.InputShape(batch), tokens[_engines.Length + peer],
                shape.OutputShape(batch));
        Action[] calls =
        [
            .. _engines.Select((engine, index) => (Action)(() => engine.Resample(features, grids, tokens[index]))),
            .. _peers.Select(peer => (Action)peer.Run),
        ];
        foreach (Action call in calls)
            call();
        IntegerResult[] results = [.. Alternation.Measure(duration, calls).Select((times, index) =>
            new IntegerResult(times, Check($"{shape.Name}, implementation {index}",
                Agreement.RelativeL2(tokens[index], tokens[0]))))];
        return new IntegerRow(shape.Name, batch, shape.ShareKeyValues, _threadCount, results[0].Times, results[1],
            results[2], results[3], results[4]);
    }

    public void Dispose()
    {
        foreach (Resampler engine in _engines)
            engine.Dispose();
        foreach (OnnxPeer peer in _peers)
            peer.Dispose();
    }

    /// <summary>Rounding to 8 bits in all layers costs about 2e-2; a wrong graph or kernel costs more than ten times as
    /// much.</summary>
    private static double Check(string name, double error)
    {
        const double MaxError = 0.2;
        return error <= MaxError ? error : throw new InvalidOperationException(
            $"{name}: expected tokens within {MaxError} of those in float32, found {error}");
    }
}
