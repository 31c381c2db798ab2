using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using MsResampler.Vision;

namespace MsResampler.Cli.Commands;

/// <summary>The options that several commands have. Their errors name the expected values.</summary>
internal static class Options
{
    private const int MaxExtent = 65_535;
    private const int MaxThreadCount = 1_024;
    private const int MinArchitecture = 60;

    private static readonly WeightStorage[] s_storages = Enum.GetValues<WeightStorage>();

    /// <summary>The option <c>--model</c>, a folder or a file.</summary>
    public static Option<string> Model()
        => Path("--model", "PATH", "The model: a folder of msresampler init, the folder of a published model as it " +
            "was downloaded, or a .safetensors or .gguf file with its resampler.");

    /// <summary>The option <c>--layout</c>; null to recognise the layout.</summary>
    public static Option<CheckpointLayout?> Layout() => new("--layout")
    {
        Description = $"The layout of the model (default: recognised). One of {CheckpointLayout.Names}.",
        HelpName = "NAME",
        CustomParser = result => CheckpointLayout.Find(Text(result)) ??
            Fail<CheckpointLayout?>(result, "--layout", $"one of {CheckpointLayout.Names}"),
    };

    /// <summary>A required file or folder.</summary>
    public static Option<string> Path(string name, string helpName, string description) => new(name)
    {
        Description = description,
        HelpName = helpName,
        Required = true,
    };

    /// <summary>An optional file or folder.</summary>
    public static Option<string?> OptionalPath(string name, string helpName, string description) => new(name)
    {
        Description = description,
        HelpName = helpName,
    };

    public static Option<BackendChoice> Backend(params BackendChoice[] choices)
    {
        string names = string.Join('|', choices.Select(choice => choice.Name));
        return new Option<BackendChoice>("--backend")
        {
            Description = "The backend. cuda is a GPU (see msresampler devices); auto is cuda if there is a " +
                "usable GPU or --device is given, and else cpu" +
                (choices.Contains(BackendChoice.Reference) ? "; reference is slow, in double precision." : "."),
            HelpName = names,
            DefaultValueFactory = _ => BackendChoice.Auto,
            CustomParser = result => choices.FirstOrDefault(choice => choice.Name == Text(result)) ??
                Fail<BackendChoice>(result, "--backend", names.Replace("|", ", ", StringComparison.Ordinal)),
        };
    }

    public static Option<string?> Device() => new("--device")
    {
        Description = "The GPU: its number or the start of its UUID, as msresampler devices lists them (default: the " +
            "first usable one).",
        HelpName = "N|UUID",
    };

    public static Option<PrecisionChoice> Precision()
    {
        IEnumerable<string> names = PrecisionChoice.All.Select(choice => choice.Name);
        return new Option<PrecisionChoice>("--precision")
        {
            Description = "Numeric precision. auto is float32 on the CPU, or int8 if the checkpoint has integers; " +
                "on a GPU it is the type of the checkpoint if the GPU supports it. tf32, float16 and bfloat16 " +
                "need a GPU; int8 computes on the CPU.",
            HelpName = string.Join('|', names),
            DefaultValueFactory = _ => PrecisionChoice.Auto,
            CustomParser = result => PrecisionChoice.All.FirstOrDefault(choice => choice.Name == Text(result)) ??
                Fail<PrecisionChoice>(result, "--precision", string.Join(", ", names)),
        };
    }

    /// <summary>The option <c>--int8-layers</c>, or null.</summary>
    /// <param name="condition">When the option has an effect, for the help.</param>
    public static Option<ModelLayers?> Int8Layers(string condition) => new("--int8-layers")
    {
        Description = $"{condition}: the layers with 8 bits, where the others have 16 (default: those " +
            $"of a model of integers, else {LayerNames.Of(IntegerTypes.DefaultInt8Layers)}); {LayerNames.Expected}.",
        HelpName = "LAYERS",
        CustomParser = result => LayerNames.Parse(Text(result)) ??
            Fail<ModelLayers?>(result, "--int8-layers", LayerNames.Expected),
    };

    /// <summary>The option <c>--weight-storage</c>.</summary>
    public static Option<WeightStorage?> WeightStorage() => new("--weight-storage")
    {
        Description = "How the CPU keeps weights in memory: float32 (the default), or as-stored: matrices of a " +
            "float16 or bfloat16 checkpoint take half the memory, and the tokens have the same bits.",
        HelpName = string.Join('|', s_storages.Select(NameOf)),
        CustomParser = result => s_storages.Any(storage => NameOf(storage) == Text(result))
            ? s_storages.First(storage => NameOf(storage) == Text(result))
            : Fail<WeightStorage?>(result, "--weight-storage", string.Join(" or ", s_storages.Select(NameOf))),
    };

    /// <summary>The name of a value of <c>--weight-storage</c>.</summary>
    public static string NameOf(WeightStorage storage) => storage switch
    {
        MsResampler.WeightStorage.Float32 => "float32",
        MsResampler.WeightStorage.AsStored => "as-stored",
        _ => throw new ArgumentOutOfRangeException(nameof(storage), storage, message: null),
    };

    public static Option<int?> Threads() => new("--threads")
    {
        Description = "Number of threads, at most one per processor (default: one per processor).",
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

    /// <summary>A whole number, or null if it is not given.</summary>
    public static Option<int?> OptionalInt(string name, string description, int min, int max) => new(name)
    {
        Description = description,
        HelpName = "N",
        CustomParser = result => ParseInt(result, name, min, max),
    };

    /// <summary>A number of at least 0 and below 1.</summary>
    public static Option<double> Fraction(string name, string description, double defaultValue) => new(name)
    {
        Description = description,
        HelpName = "X",
        DefaultValueFactory = _ => defaultValue,
        CustomParser = result => double.TryParse(Text(result), NumberStyles.Float, CultureInfo.InvariantCulture,
            out double value) && value is >= 0 and < 1 ? value
            : Fail<double>(result, name, "a number of at least 0 and below 1"),
    };

    /// <summary>The option <c>--temporal-ids</c>, see <see cref="TemporalIds"/>.</summary>
    public static Option<string?> TemporalIdLists() => new("--temporal-ids")
    {
        Description = "Groups of frames, as in video, in JSON: each inner list takes the next images as its " +
            "frames and gives one output; -1 is a frame without a time.",
        HelpName = "LISTS",
    };

    /// <summary>The option <c>--force</c> of commands that write a model.</summary>
    public static Option<bool> ReplaceModel() => new("--force") { Description = "Replace the model in the folder." };

    /// <summary>The option <c>--seed</c>.</summary>
    /// <param name="description">The description in the help.</param>
    public static Option<ulong> Seed(
        string description = "Seed of the random weights. The same seed gives the same bytes.") => new("--seed")
        {
            Description = description,
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

    /// <summary>The option <c>--dtype</c>: a type for the weights, or null. The names of PyTorch are also
    /// accepted.</summary>
    public static Option<WeightType?> ElementType(string description) => new("--dtype")
    {
        Description = description,
        HelpName = "f32|f16|bf16",
        CustomParser = result => WeightTypeOf(Text(result)) ??
            Fail<WeightType?>(result, "--dtype", "f32, f16 or bf16"),
    };

    /// <summary>The option <c>--dtype</c> of a command that can also write integers, or null.</summary>
    public static Option<StoredType?> StoredType(string description) => new("--dtype")
    {
        Description = description,
        HelpName = "f32|f16|bf16|int8",
        CustomParser = result => Text(result) == "int8" ? Commands.StoredType.Integers
            : WeightTypeOf(Text(result)) is { } type ? new StoredType(type)
            : Fail<StoredType?>(result, "--dtype", "f32, f16, bf16 or int8"),
    };

    /// <summary>The option <c>--grid</c>, a patch grid.</summary>
    /// <param name="description">The description in the help.</param>
    /// <param name="defaultValue">The default grid, or null.</param>
    /// <param name="isRequired">Whether the option is required if there is no default.</param>
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

    /// <summary>The option <c>--arch</c>, a GPU architecture. Its value for sm_80 is 80.</summary>
    public static Option<int> Architecture() => new("--arch")
    {
        Description = "The target architecture, such as sm_80. Newer architectures can run the result, too, " +
            "except that of sm_90.",
        HelpName = "sm_NN",
        Required = true,
        CustomParser = result => Text(result) is { Length: 5 or 6 } text
            && text.StartsWith("sm_", StringComparison.Ordinal)
            && int.TryParse(text.AsSpan(3), NumberStyles.None, CultureInfo.InvariantCulture, out int architecture)
            && architecture >= MinArchitecture
                ? architecture
                : Fail<int>(result, "--arch", $"sm_{MinArchitecture} or newer, such as sm_80 (sm_90 " +
                    "includes kernels for sm_90a)"),
    };

    /// <summary>The option <c>--size</c>: height x width in pixels, or the side of a square.</summary>
    public static Option<ImageSize> Size(int defaultSide) => new("--size")
    {
        Description = "Resize images to this height x width in pixels; one number is the side of a square.",
        HelpName = "S|HxW",
        DefaultValueFactory = _ => new ImageSize(defaultSide, defaultSide),
        CustomParser = result => TryParsePair(Text(result), out int height, out int width)
            || (TryParseExtent(Text(result), out height) && (width = height) > 0)
                ? new ImageSize(height, width)
                : Fail<ImageSize>(result, "--size",
                    "a side in pixels such as 336, or height x width such as 336x448, each from 1 to " +
                    $"{MaxExtent}"),
    };

    private static WeightType? WeightTypeOf(string name) => name switch
    {
        "f32" or "float32" => WeightType.Float32,
        "f16" or "float16" => WeightType.Float16,
        "bf16" or "bfloat16" => WeightType.BFloat16,
        _ => null,
    };

    /// <summary>Reads a whole number within a range.</summary>
    public static int ParseInt(ArgumentResult result, string name, int min, int max)
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

    /// <summary>The last value of an option.</summary>
    public static string Text(ArgumentResult result)
        => result.Tokens.Count == 0 ? "" : result.Tokens[^1].Value;

    /// <summary>Adds an error about the value of an option.</summary>
    public static T Fail<T>(ArgumentResult result, string name, string expected)
    {
        result.AddError($"{name}: expected {expected}, found '{Text(result)}'");
        return default!;
    }
}
