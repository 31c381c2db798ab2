using System.Diagnostics;

namespace MsResampler.Perf.Serving;

/// <summary>A model, its requests, and the library with the same features in this process.</summary>
internal sealed class ServingModel : IDisposable
{
    private const int ImageCount = 16;
    private readonly Resampler _engine;
    private readonly PerfModel _model;
    private readonly float[] _features;
    private readonly float[] _batch;
    private readonly float[] _tokens;
    private readonly PatchGrid[] _grids;

    public ServingModel(PeerShape shape, int threadCount, int batchSize)
    {
        _model = PerfModel.Of(shape);
        _engine = Resampler.Load(_model.Folder, new ResamplerOptions
        {
            Backend = Backend.Cpu,
            ThreadCount = threadCount,
        });
        _features = _model.Features(ImageCount);
        _grids = _model.Grids(batchSize);
        _batch = _model.Features(batchSize);
        _tokens = _model.Tokens(batchSize);
        int length = _features.Length / ImageCount;
        float[] tokens = _model.Tokens(ImageCount);
        _engine.Resample(_features, _model.Grids(ImageCount), tokens);
        Calls = [.. Enumerable.Range(0, ImageCount).Select(image => PreparedCall.Of(
            _features.AsSpan(image * length, length).ToArray(), [shape.Grid], shape.VisionWidth,
            tokens.AsSpan(image * (tokens.Length / ImageCount), tokens.Length / ImageCount).ToArray()))];
    }

    /// <summary>The model folder.</summary>
    public string Folder => _model.Folder;

    /// <summary>Requests of one image each.</summary>
    public PreparedCall[] Calls { get; }

    /// <summary>Computes one image.</summary>
    public void ComputeOne()
    {
        int length = _features.Length / ImageCount;
        _engine.Resample(_features.AsSpan(0, length), _grids.AsSpan(0, 1), _tokens.AsSpan(0, _tokens.Length
            / _grids.Length));
    }

    /// <summary>Computes full batches for a while.</summary>
    /// <returns>Images per second.</returns>
    public double Measure(TimeSpan duration)
    {
        _engine.Resample(_batch, _grids, _tokens);
        long start = Stopwatch.GetTimestamp();
        int count = 0;
        do
        {
            _engine.Resample(_batch, _grids, _tokens);
            count += _grids.Length;
        }
        while (Stopwatch.GetElapsedTime(start) < duration);
        return count / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    public void Dispose() => _engine.Dispose();
}
