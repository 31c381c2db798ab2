using System.Diagnostics;
using System.Runtime.ExceptionServices;
using MsResampler.Cli.Maps;
using SkiaSharp;

namespace MsResampler.Cli.Commands;

/// <summary>Images, or groups of frames, that are in memory together. A group is never split.</summary>
internal sealed class RunChunk
{
    private const int MaxReaderCount = 8;

    private readonly InputGroups _groups;
    private readonly ITokenEngine _engine;
    private readonly int _first;
    private readonly int _end;
    private readonly int _firstFrame;
    private readonly int[] _starts;
    private readonly Memory<float> _features;
    private readonly Memory<float> _tokens;

    /// <param name="groups">All inputs.</param>
    /// <param name="engine">The engine.</param>
    /// <param name="first">The first group.</param>
    /// <param name="end">The end of the groups.</param>
    /// <param name="buffers">Memory, used until the next chunk is made.</param>
    public RunChunk(InputGroups groups, ITokenEngine engine, int first, int end, RunBuffers buffers)
    {
        (_groups, _engine, _first, _end) = (groups, engine, first, end);
        ResamplerConfig config = engine.Config;
        _firstFrame = groups.FirstFrameOf(first);
        _starts = new int[groups.FirstFrameOf(end) - _firstFrame + 1];
        for (int frame = 0; frame < _starts.Length - 1; frame++)
            _starts[frame + 1] = checked(_starts[frame] + (int)(GridOf(frame).PatchCount * config.VisionHiddenSize));
        _features = buffers.Features(_starts[^1]);
        _tokens = buffers.Tokens(checked((end - first) * config.QueryGrid.QueryCount * config.OutputSize));
    }

    /// <summary>The time of the engine in <see cref="Resample"/>, without reading the features.</summary>
    public TimeSpan CallTime { get; private set; }

    /// <summary>Reads the features and computes the tokens.</summary>
    public ReadOnlySpan<float> Resample(int? threadCount, CancellationToken cancellationToken)
    {
        Read(threadCount, cancellationToken);
        long start = Stopwatch.GetTimestamp();
        try
        {
            _engine.Resample(_features.Span, _groups.Slice(_first, _end), _tokens.Span, cancellationToken);
        }
        catch (ActivationOverflowException exception) when (exception.ImageIndex >= 0)
        {
            throw Overflow(_first + exception.ImageIndex, exception);
        }

        CallTime = Stopwatch.GetElapsedTime(start);
        return _tokens.Span;
    }

    /// <summary>Draws the maps of every group. Returns their paths.</summary>
    public IEnumerable<string> DrawMaps(OutputFolder folder, CancellationToken cancellationToken)
    {
        MapWriter writer = new(folder, _engine.Config);
        for (int group = _first; group < _end; group++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            TokenView view = Explain(group);
            int first = _groups.FirstFrameOf(group);
            for (int frame = 0; frame < view.Grids.Count; frame++)
            {
                using SKBitmap? picture = _groups.Source.ReadPicture(first + frame, MapWriter.PanelSide);
                foreach (string path in writer.WriteLooks(_groups.FrameStemOf(group, frame), view, frame, picture,
                    cancellationToken))
                    yield return path;
                if (frame == 0 && _engine.Config.Scopes.Count > 1)
                    yield return writer.WriteGate(_groups.StemOf(group), view, picture, cancellationToken);
            }
        }
    }

    private TokenView Explain(int group)
    {
        try
        {
            int first = _groups.FirstFrameOf(group) - _firstFrame;
            int end = _groups.FirstFrameOf(group + 1) - _firstFrame;
            return _engine.Explain(_features.Span[_starts[first].._starts[end]], _groups.Slice(group, group + 1));
        }
        catch (ActivationOverflowException exception)
        {
            throw Overflow(group, exception);
        }
    }

    // The engine does not know the file; this message names it.
    private InputException Overflow(int group, ActivationOverflowException exception)
        => new($"{_groups.Describe(group)}: {ActivationOverflowException.Describe(exception.Precision)}", exception);

    private PatchGrid GridOf(int frame) => _groups.Source.Grids[_firstFrame + frame];

    private Memory<float> FeaturesOf(int frame) => _features[_starts[frame].._starts[frame + 1]];

    private void Read(int? threadCount, CancellationToken cancellationToken)
    {
        ParallelOptions options = new()
        {
            MaxDegreeOfParallelism = Math.Min(threadCount ?? Environment.ProcessorCount, MaxReaderCount),
            CancellationToken = cancellationToken,
        };
        try
        {
            Parallel.For(0, _starts.Length - 1, options, frame =>
            {
                _groups.Source.Read(_firstFrame + frame, FeaturesOf(frame).Span);
                FiniteFeatures.Check(FeaturesOf(frame).Span, _engine.Config.VisionHiddenSize, GridOf(frame),
                    () => _groups.DescribeFrame(_firstFrame + frame));
            });
        }
        catch (AggregateException exception)
        {
            ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]);
        }
    }
}
