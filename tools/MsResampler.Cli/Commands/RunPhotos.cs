using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using MsResampler.Cli.Photos;
using MsResampler.Vision;

namespace MsResampler.Cli.Commands;

/// <summary>Computes the tokens of many photos: <c>run --images</c>. Decoding, encoding and resampling overlap, and
/// only a few photos are in memory.</summary>
internal sealed class RunPhotos
{
    private readonly PhotoRequest _request;
    private readonly Terminal _terminal;
    private readonly CancellationToken _cancellationToken;
    private readonly VisualTokenizer _tokenizer;
    private readonly TokenEncoder _encoder;
    private readonly IEnumerable<string> _names;
    private int _leftOutCount;

    private RunPhotos(PhotoRequest request, VisualTokenizer tokenizer, Terminal terminal,
        CancellationToken cancellationToken)
    {
        (_request, _tokenizer, _terminal, _cancellationToken) = (request, tokenizer, terminal, cancellationToken);
        _encoder = new TokenEncoder(request.OutputType);
        terminal.Say($"listing {request.Photos.Text}");
        _names = request.Photos.ListSome(LeaveOut);
    }

    private Resampler Resampler => _tokenizer.Resampler;

    /// <summary>Computes the tokens. Returns the exit code: that of a failed check if photos are bad.</summary>
    public static int Run(PhotoRequest request, Terminal terminal, CancellationToken cancellationToken)
    {
        bool isFile = TokenFile.IsName(request.Output);
        if (isFile)
            TokenFile.CheckName(request.Output, request.OutputType);
        using ITokenEngine engine = TokenEngine.Open(request.Model, request.Layout, request.Engine, terminal,
            validateFeatures: true);
        if (engine is not ResamplerEngine { Resampler: var resampler })
            throw new InputException("--backend reference: --images needs the cpu or a GPU; use --image");
        using VisionEncoder encoder = request.Encoder.Load(request.Engine.ThreadCount, terminal);
        if (encoder.ChannelCount != engine.Config.VisionHiddenSize)
            throw EncoderChoice.WrongChannels(encoder, engine.Config, request.Model);
        using VisualTokenizer tokenizer = new(encoder, resampler, new VisualTokenizerOptions
        {
            BatchSize = request.BatchSize,
        });
        RunPhotos run = new(request, tokenizer, terminal, cancellationToken);
        return isFile ? run.ToFile() : run.ToFolder();
    }

    /// <summary>Writes one file, which cannot leave out a bad photo.</summary>
    private int ToFile()
    {
        Inputs inputs = new Inputs().AddModel(_request.Model).Add(_request.Encoder.Path, "the encoder")
            .Add(_request.Photos.Text);
        inputs.Check(_request.Output);
        PhotoPlan plan = Plan(_ => false);
        if (plan.Count == 0)
            throw new InputException($"{_request.Photos.Text}: expected photos in the part --shard {_request.Share}, " +
                "found none");
        using TokenFile file = TokenFile.Create(_request.Output, _request.OutputType, plan.Count,
            Resampler.TokenCount, Resampler.TokenWidth, inputs);
        TimeSpan time = Compute(plan, (name, tokens) => file.Append(tokens.Tokens.Span, _ => name),
            (name, error) => throw Bad(name, $"{error} (a folder as --out skips bad photos)"), () => 0);
        file.Commit(_cancellationToken);
        _terminal.Line($"{Photos(plan.Count)} -> tokens [{plan.Count}, {Resampler.TokenCount}, " +
            $"{Resampler.TokenWidth}] in {_request.Output} ({Speed(plan.Count, time)})");
        return ExitCode.Done;
    }

    /// <summary>Continues a folder with shards.</summary>
    private int ToFolder()
    {
        Interruption.Notice = $"interrupted; the same command continues with what is missing in {_request.Output}";
        _terminal.Say($"reading {_request.Encoder.Path} and {_request.Model}");
        StoreSettings settings = Settings();
        _terminal.Say($"opening {_request.Output}");
        using TokenStore store = TokenStore.Open(_request.Output, settings, _request.RetryErrors, _terminal.Warn,
            _cancellationToken);
        if (_request.IsStrict && store.BadCount > 0)
            throw Bad(store.Bad[0].File,
                $"{store.Bad[0].Error} (found by an earlier run; --retry-errors tries it again)");
        PhotoPlan plan = Plan(store.IsDone);
        int earlierCount = store.GoodCount;
        TimeSpan time = Compute(plan,
            (name, tokens) => store.Add(name, tokens.Grid, _encoder.Encode(tokens.Tokens.Span)),
            (name, error) => AddError(store, name, error), () => store.BadCount);
        store.Complete();
        int count = store.GoodCount - earlierCount;
        string summary = plan.Remaining.Count == 0 && plan.Count > 0
            ? $"nothing to do: {_request.Output} has the tokens of {Photos(earlierCount)}"
            : $"{Photos(count)} -> tokens [{Resampler.TokenCount}, {Resampler.TokenWidth}] of each in " +
                $"{_request.Output} ({Speed(count, time)}" +
                (earlierCount == 0 ? ")" : $"; {Quantity.Count(earlierCount)} had tokens before)");
        _terminal.Line(summary);
        return ReportBad(store);
    }

    private void AddError(TokenStore store, string name, string error)
    {
        if (_request.IsStrict)
            throw Bad(name, error);
        store.AddError(name, error);
    }

    private int ReportBad(TokenStore store)
    {
        bool isLeftOut = ReportLeftOut();
        if (store.BadCount == 0)
            return isLeftOut ? ExitCode.CheckFailed : ExitCode.Done;
        _terminal.Line($"{Photos(store.BadCount)} without tokens; {store.JournalPath} says why");
        foreach ((string file, string error) in store.Bad)
            _terminal.Warn($"{file}: {error}");
        return ExitCode.CheckFailed;
    }

    /// <summary>Says how much was left out. Returns whether anything was.</summary>
    private bool ReportLeftOut()
    {
        if (_leftOutCount > 0)
            _terminal.Line($"{Quantity.Count(_leftOutCount)} left out, of photos and folders: names that are not " +
                "UTF-8, or folders that cannot be read");
        return _leftOutCount > 0;
    }

    private void LeaveOut(string problem)
    {
        // One file cannot leave anything out.
        if (_request.IsStrict || TokenFile.IsName(_request.Output))
            throw new InputException(problem);
        _leftOutCount++;
        _terminal.Warn(problem);
    }

    private PhotoPlan Plan(Func<UInt128, bool> isDone)
    {
        _terminal.Say($"listing {_request.Photos.Text}");
        return PhotoPlan.Create(_names, _request.Share, isDone, _cancellationToken);
    }

    private StoreSettings Settings() => new()
    {
        Share = _request.Share,
        Type = _request.OutputType,
        TokenCount = Resampler.TokenCount,
        TokenWidth = Resampler.TokenWidth,
        ShardBytes = _request.ShardBytes,
        Origin = new Dictionary<string, string>(PreprocessingText.Of(_tokenizer.Encoder.Preprocessing))
        {
            ["model"] = Fingerprint.OfModel(_request.Model, _request.Layout, _cancellationToken),
            ["encoder"] = Fingerprint.OfEncoder(_request.Encoder.Path, _cancellationToken),
            ["encoder_output"] = _tokenizer.Encoder.OutputName,
            ["prefix_tokens"] = $"{_request.Encoder.PrefixTokenCount}",
            ["backend"] = Resampler.BackendName,
            ["precision"] = PrecisionChoice.NameOf(Resampler.Precision),
            ["int8_layers"] = $"{_request.Engine.Int8Layers}",
        },
    };

    /// <summary>Computes what remains, and passes on each photo in its order.</summary>
    /// <returns>The time.</returns>
    private TimeSpan Compute(PhotoPlan plan, Action<string, VisualTokens> add, Action<string, string> addError,
        Func<int> badCount)
    {
        long start = Stopwatch.GetTimestamp();
        _terminal.Track("photos", plan.Count, progress =>
            Compute(plan, add, addError, badCount, progress).GetAwaiter().GetResult(), plan.DoneCount);
        return Stopwatch.GetElapsedTime(start);
    }

    private async Task Compute(PhotoPlan plan, Action<string, VisualTokens> add, Action<string, string> addError,
        Func<int> badCount, Progress progress)
    {
        ConcurrentQueue<(string Name, string Path)> pending = new();
        int done = plan.DoneCount;
        await foreach (TokenizationResult result in _tokenizer.TryTokenizeAsync(
            Inputs(plan.Remaining, pending, _cancellationToken), _cancellationToken).ConfigureAwait(false))
        {
            if (!pending.TryDequeue(out (string Name, string Path) photo))
                throw new UnreachableException("a result without a photo");
            string? error = result.IsSuccess ? null : ErrorOf(result.Error, photo.Path);
            try
            {
                if (result.IsSuccess)
                    add(photo.Name, result.Tokens);
            }
            catch (TokenRangeException exception)
            {
                error = exception.Message;
            }

            if (error is not null)
                addError(photo.Name, error);
            int bad = badCount();
            progress.Report(++done, bad == 0 ? "" : $"{Quantity.Count(bad)} bad");
        }
    }

    private async IAsyncEnumerable<ImageInput> Inputs(NameList names, ConcurrentQueue<(string, string)> pending,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask.ConfigureAwait(false);
        foreach (string name in names)
        {
            cancellationToken.ThrowIfCancellationRequested();
            string path = _request.Photos.PathOf(name);
            pending.Enqueue((name, path));
            yield return FileStatus.Of(path) is { IsSpecial: true } ? ImageInput.FromStream(new SpecialFile(), path)
                : ImageInput.FromFile(path);
        }
    }

    /// <summary>The cause, without the path, which the name of the photo replaces.</summary>
    private static string ErrorOf(Exception error, string path)
    {
        string prefix = path + ": ";
        string text = EncoderChoice.WithOptionNames(error.Message.Split('\n')[0].Trim());
        return text.StartsWith(prefix, StringComparison.Ordinal) ? text[prefix.Length..] : text;
    }

    private static InputException Bad(string name, string error) => new($"{name}: {error}");

    private static string Photos(int count) => $"{Quantity.Count(count)} photo{(count == 1 ? "" : "s")}";

    private string Speed(int count, TimeSpan time) => $"{Quantity.Duration(time)}, " +
        $"{Quantity.Digits(count / Math.Max(time.TotalSeconds, 1e-9))}/s; {Resampler.Description}";
}
