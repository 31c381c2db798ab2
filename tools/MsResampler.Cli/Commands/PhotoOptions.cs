using System.CommandLine;
using System.Globalization;
using MsResampler.Cli.Photos;
using MsResampler.Vision;

namespace MsResampler.Cli.Commands;

/// <summary>The options of <c>run</c> for a vision encoder and for many photos.</summary>
internal sealed class PhotoOptions
{
    private const int MaxBatchSize = 1_024;
    private const int MaxPrefixTokenCount = 1_024;
    private const long MiB = 1L << 20;
    private const long DefaultShardBytes = 256 * MiB;
    private const long MaxShardBytes = 1L << 40;

    private static readonly (string Suffix, long Bytes)[] s_units =
    [
        ("KIB", 1L << 10), ("MIB", MiB), ("GIB", 1L << 30), ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000),
        ("B", 1), ("", 1),
    ];

    /// <summary>The option <c>--encoder</c>.</summary>
    public Option<string?> Encoder { get; } = Options.OptionalPath("--encoder", "FILE",
        "With --image or --images: a vision encoder in ONNX, whose patch features go to the model.");

    /// <summary>The option <c>--images</c>.</summary>
    public Option<string?> Photos { get; } = Options.OptionalPath("--images", "DIR|GLOB|LIST",
        "Many photos: a folder, a pattern such as 'photos/**/*.jpg', or a text file with a path per line ('-' is " +
        "standard input). Needs --encoder.");

    private Option<string?> Preprocess { get; } = Options.OptionalPath("--preprocess", "NAME|PATH",
        $"With --encoder: {ImagePreprocessing.PresetNames}, or a preprocessor_config.json (default: the one beside " +
        "the encoder).");

    private Option<string?> EncoderOutput { get; } = Options.OptionalPath("--encoder-output", "NAME",
        "With --encoder: the output with the features (default: last_hidden_state, or the only one with 3 or 4 axes).");

    private Option<int?> PrefixTokens { get; } = new("--prefix-tokens")
    {
        Description = "With --encoder: the rows before the first patch, a class token and registers (default: 0 or " +
            "1, as fits).",
        HelpName = "N",
        CustomParser = result => Options.ParseInt(result, "--prefix-tokens", 0, MaxPrefixTokenCount),
    };

    private Option<bool> Strict { get; } = new("--strict")
    {
        Description = "With --images: stop at the first bad photo. Otherwise it is recorded and left out.",
    };

    private Option<int> Batch { get; } = Options.Int("--batch", "With --images: photos that are encoded together. " +
        "More than one can change the last bits of the features.", 1, 1, MaxBatchSize);

    private Option<WorkShare> Share { get; } = new("--shard")
    {
        Description = "With --images: compute part I of N, I from 0. Photos are divided by a hash of their names.",
        HelpName = "I/N",
        DefaultValueFactory = _ => WorkShare.All,
        CustomParser = result => WorkShare.TryParse(Options.Text(result), out WorkShare share) ? share
            : Options.Fail<WorkShare>(result, "--shard", "I/N with I from 0 to N-1 and N up to " +
                $"{WorkShare.MaxCount}, such as 0/8"),
    };

    private Option<long?> ShardSize { get; } = new("--shard-size")
    {
        Description = "With --images: the largest size of a file with tokens, such as 500MB (default: 256MiB).",
        HelpName = "BYTES",
        CustomParser = result => TryParseBytes(Options.Text(result), out long bytes) ? bytes
            : Options.Fail<long?>(result, "--shard-size", "a size such as 256MiB, 500MB or 1000000, up to 1024GiB"),
    };

    private Option<bool> RetryErrors { get; } = new("--retry-errors")
    {
        Description = "With --images: also try the photos again that were bad in an earlier run.",
    };

    /// <summary>All options.</summary>
    public IEnumerable<Option> All => [Encoder, Photos, .. OfEncoder, Strict, Batch, Share, ShardSize, RetryErrors];

    private Option[] OfEncoder => [Preprocess, EncoderOutput, PrefixTokens];

    /// <summary>Checks that the options are used together with those they need.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="hasImages">Whether there are single pictures.</param>
    /// <param name="others">Options that cannot be used for many photos.</param>
    /// <exception cref="InputException">They are not.</exception>
    public void Check(ParseResult parsed, bool hasImages, IEnumerable<Option> others)
    {
        bool hasEncoder = IsGiven(parsed, Encoder);
        bool hasPhotos = IsGiven(parsed, Photos);
        if (hasPhotos && !hasEncoder)
            throw new InputException("--images needs --encoder, a vision encoder in ONNX");
        if (hasEncoder && !hasPhotos && !hasImages)
            throw new InputException("--encoder can only be used with --image or --images");
        if (!hasEncoder && Array.Find(OfEncoder, option => IsGiven(parsed, option)) is { } early)
            throw new InputException($"{early.Name} can only be used with --encoder");
        IEnumerable<Option> needPhotos = All.Except([Encoder, .. OfEncoder]);
        if (!hasPhotos && needPhotos.FirstOrDefault(option => IsGiven(parsed, option)) is { } lone)
            throw new InputException($"{lone.Name} can only be used with --images");
        if (hasPhotos && others.FirstOrDefault(option => IsGiven(parsed, option)) is { } other)
            throw new InputException($"{other.Name} cannot be used with --images");
    }

    /// <summary>The encoder; null without one.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="decoding">How pictures are decoded.</param>
    public EncoderChoice? ReadEncoder(ParseResult parsed, ImageDecoding decoding)
        => parsed.GetValue(Encoder) is not { } path ? null : new EncoderChoice(path)
        {
            Preprocess = parsed.GetValue(Preprocess),
            Decoding = decoding,
            OutputName = parsed.GetValue(EncoderOutput),
            PrefixTokenCount = parsed.GetValue(PrefixTokens),
        };

    /// <summary>Adds the values of the options.</summary>
    /// <exception cref="InputException">An option needs a folder as output.</exception>
    public PhotoRequest Read(ParseResult parsed, PhotoRequest request)
    {
        if (TokenFile.IsName(request.Output)
            && ((Option[])[ShardSize, RetryErrors]).FirstOrDefault(option => IsGiven(parsed, option)) is { } option)
            throw new InputException($"{option.Name} needs a folder as --out, found the file {request.Output}");
        return request with
        {
            BatchSize = parsed.GetValue(Batch),
            IsStrict = parsed.GetValue(Strict),
            Share = parsed.GetValue(Share),
            ShardBytes = parsed.GetValue(ShardSize) ?? DefaultShardBytes,
            RetryErrors = parsed.GetValue(RetryErrors),
        };
    }

    private static bool IsGiven(ParseResult parsed, Option option) => parsed.GetResult(option) is { Implicit: false };

    private static bool TryParseBytes(string text, out long bytes)
    {
        string upper = text.ToUpperInvariant();
        (string suffix, long unit) = s_units.First(unit => upper.EndsWith(unit.Suffix, StringComparison.Ordinal));
        bool isNumber = long.TryParse(upper.AsSpan(0, upper.Length - suffix.Length), NumberStyles.None,
            CultureInfo.InvariantCulture, out long count);
        bool isInRange = isNumber && count > 0 && count <= MaxShardBytes / unit;
        bytes = isInRange ? count * unit : 0;
        return isInRange;
    }
}
