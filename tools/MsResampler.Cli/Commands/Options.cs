using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using MsResampler.Cli.Engines;
using MsResampler.Cli.Input;

namespace MsResampler.Cli.Commands;

/// <summary>The options that commands share, each with a parser whose error says what was expected.</summary>
internal static class Options
{
    private const int MaxExtent = 65_535;
    private const int MaxThreadCount = 1_024;
    private const int MinArchitecture = 60;

    public static Option<string> Model() => new("--model")
    {
        Description = "The model folder: config.json and a safetensors checkpoint.",
        HelpName = "DIR",
        Required = true,
    };

    public static Option<BackendChoice> Backend(params BackendChoice[] choices)
    {
        string names = string.Join('|', choices.Select(choice => choice.Name));
        return new Option<BackendChoice>("--backend")
        {
            Description = "The backend. cuda: the first GPU that msresampler devices shows as usable; auto: cuda " +
                "where there is one, else cpu" +
                (choices.Contains(BackendChoice.Reference) ? "; reference: slow, in double precision." : "."),
            HelpName = names,
            DefaultValueFactory = _ => BackendChoice.Auto,
            CustomParser = result => choices.FirstOrDefault(choice => choice.Name == Text(result)) ??
                Fail<BackendChoice>(result, "--backend", names.Replace("|", ", ", StringComparison.Ordinal)),
        };
    }

    public static Option<PrecisionChoice> Precision()
    {
        IEnumerable<string> names = PrecisionChoice.All.Select(choice => choice.Name);
        return new Option<PrecisionChoice>("--precision")
        {
            Description = "Numeric precision of the GPU; auto: as the checkpoint is stored, where the GPU can. The CPU " +
                "computes in float32.",
            HelpName = string.Join('|', names),
            DefaultValueFactory = _ => PrecisionChoice.Auto,
            CustomParser = result => PrecisionChoice.All.FirstOrDefault(choice => choice.Name == Text(result)) ??
                Fail<PrecisionChoice>(result, "--precision", string.Join(", ", names)),
        };
    }

    public static Option<int?> Threads() => new("--threads")
    {
        Description = "Threads to compute with, at most one per processor; one per processor when left out.",
        HelpName = "N",
        CustomParser = result => ParseInt(result, "--threads", 1, MaxThreadCount),
    };

    public static Option<int> Int(string name, string description, int defaultValue, int min, int max)
        => new(name)
        {
            Description = description,
            HelpName = "N",
            DefaultValueFactory = _ => defaultValue,
            CustomParser = result => ParseInt(result, name, min, max),
        };

    public static Option<ulong> Seed() => new("--seed")
    {
        Description = "Decides the weights: the same seed gives the same bytes.",
        HelpName = "N",
        DefaultValueFactory = _ => 0,
        CustomParser = result =>
            ulong.TryParse(Text(result), NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed)
            ? seed
            : Fail<ulong>(result, "--seed", "a whole number from 0 to 2^64-1"),
    };

    public static Option<double?> Positive(string name, string helpName, string description,
        double? defaultValue = null, double max = double.MaxValue) => new(name)
        {
            Description = description,
            HelpName = helpName,
            DefaultValueFactory = defaultValue is null ? null : _ => defaultValue,
            CustomParser = result =>
                double.TryParse(Text(result), NumberStyles.Float, CultureInfo.InvariantCulture,
                    out double value) && value > 0 && value <= max
                    ? value
                    : Fail<double?>(result, name, "a positive number" + (max == double.MaxValue ? ""
                        : string.Create(CultureInfo.InvariantCulture, $" up to {max}"))),
        };

    /// <summary>A patch grid.</summary>
    /// <param name="description">What it is the grid of.</param>
    /// <param name="defaultValue">The grid when left out.</param>
    /// <param name="isRequired">Whether it must be given; not where there is a default.</param>
    public static Option<PatchGrid?> Grid(string description, PatchGrid? defaultValue = null, bool isRequired = true)
        => new("--grid")
        {
            Description = description,
            HelpName = "HxW",
            Required = isRequired && defaultValue is null,
            DefaultValueFactory = defaultValue is null ? null : _ => defaultValue,
            CustomParser = result => TryParsePair(Text(result), out int rows, out int columns)
                ? new PatchGrid(rows, columns)
                : Fail<PatchGrid?>(result, "--grid", $"rows x columns such as 24x24, each from 1 to {MaxExtent}"),
        };

    /// <summary>A GPU architecture such as sm_80, as 80.</summary>
    public static Option<int> Architecture() => new("--arch")
    {
        Description = "The architecture to compile for, such as sm_80; newer ones run it too.",
        HelpName = "sm_NN",
        Required = true,
        CustomParser = result => Text(result) is { Length: 5 or 6 } text
            && text.StartsWith("sm_", StringComparison.Ordinal)
            && int.TryParse(text.AsSpan(3), NumberStyles.None, CultureInfo.InvariantCulture, out int architecture)
            && architecture >= MinArchitecture
                ? architecture
                : Fail<int>(result, "--arch", $"sm_{MinArchitecture} or newer, such as sm_80"),
    };

    /// <summary>A side in pixels, or height x width.</summary>
    public static Option<ImageSize> Size(int defaultSide) => new("--size")
    {
        Description = "Images are resized to this height x width in pixels (one number: a square).",
        HelpName = "S|HxW",
        DefaultValueFactory = _ => new ImageSize(defaultSide, defaultSide),
        CustomParser = result => TryParsePair(Text(result), out int height, out int width)
            || (TryParseExtent(Text(result), out height) && (width = height) > 0)
                ? new ImageSize(height, width)
                : Fail<ImageSize>(result, "--size",
                    "a side in pixels such as 336, or height x width such as 336x448, each from 1 to " +
                    $"{MaxExtent}"),
    };

    private static int ParseInt(ArgumentResult result, string name, int min, int max)
        => int.TryParse(Text(result), NumberStyles.None, CultureInfo.InvariantCulture, out int value)
            && value >= min && value <= max
                ? value
                : Fail<int>(result, name, $"a whole number from {min} to {max}");

    private static bool TryParsePair(string text, out int first, out int second)
    {
        string[] parts = text.Split('x', 'X', '×');
        second = 0;
        return TryParseExtent(parts[0], out first) && parts.Length == 2
            && TryParseExtent(parts[1], out second);
    }

    private static bool TryParseExtent(string text, out int value)
        => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value)
            && value is > 0 and <= MaxExtent;

    private static string Text(ArgumentResult result)
        => result.Tokens.Count == 0 ? "" : result.Tokens[^1].Value;

    private static T Fail<T>(ArgumentResult result, string name, string expected)
    {
        result.AddError($"{name}: expected {expected}, found '{Text(result)}'");
        return default!;
    }
}
