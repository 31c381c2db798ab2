using MsResampler.Cli.Engines;
using MsResampler.Vision;

namespace MsResampler.Server.Hosting.Configuration;

/// <summary>The settings of a model.</summary>
internal static class ModelSettingList
{
    private const int MaxThreadCount = 1_024;
    private const string ForOne = " With NAME= for one model, else for all.";

    private static readonly string[] s_backends = ["auto", "cpu", "cuda"];

    private static readonly string[] s_precisions = [.. PrecisionChoice.All.Select(choice => choice.Name)];

    /// <summary>The folder or file of the model. The value of its option can start with the name of the
    /// model.</summary>
    public static Setting<ModelSettings> Path { get; } = new(nameof(ModelSettings.Path), "--model", "[NAME=]PATH",
        "A model: a folder of msresampler init, the folder of a published model as it was downloaded, or a " +
        ".safetensors or .gguf file. Its default name is that of the folder. Repeat the option for several models.",
        "the folder or file of a model", (model, text) =>
        {
            model.Path = text;
            return SettingValue.IsPath(text);
        });

    /// <summary>All settings, in the order of the help.</summary>
    public static IReadOnlyList<Setting<ModelSettings>> All { get; } =
    [
        Path,
        new(nameof(ModelSettings.Encoder), "--encoder", "[NAME=]FILE",
            "A vision encoder in ONNX: the model then takes pictures, too." + ForOne,
            "the .onnx file of a vision encoder", (model, text) =>
            {
                model.Encoder = text;
                return SettingValue.IsPath(text);
            }),
        new(nameof(ModelSettings.Preprocessing), "--preprocessing", "[NAME=]PRESET|FILE",
            $"How pictures are prepared for the encoder: {ImagePreprocessing.PresetNames}, or a " +
            "preprocessor_config.json (default: the one beside the encoder)." + ForOne,
            $"{ImagePreprocessing.PresetNames}, or the path of a preprocessor_config.json", (model, text) =>
            {
                model.Preprocessing = text;
                return SettingValue.IsPath(text);
            }),
        Choice(nameof(ModelSettings.Backend), "--backend", s_backends,
            "The backend. auto is cuda if there is a usable GPU, and else cpu (default: auto)." + ForOne,
            (model, text) => model.Backend = text),
        new(nameof(ModelSettings.Device), "--device", "[NAME=]N|UUID",
            "The GPU: its number or the start of its UUID, as msresampler devices lists them (default: the first " +
            "usable one)." + ForOne,
            "the number of a GPU or the start of its UUID", (model, text) =>
            {
                model.Device = text;
                return text.Length > 0;
            }),
        Choice(nameof(ModelSettings.Precision), "--precision", s_precisions,
            "Numeric precision. auto is float32 on the CPU, or int8 if the checkpoint has integers; on a GPU it is " +
            "the type of the checkpoint if the GPU supports it (default: auto)." + ForOne,
            (model, text) => model.Precision = text),
        new(nameof(ModelSettings.Threads), "--threads", "[NAME=]N",
            "Number of threads of the CPU backend; 0 for one per processor (default: 0)." + ForOne,
            $"a whole number from 0 to {MaxThreadCount}", (model, text) =>
            {
                bool isRight = SettingValue.TryWhole(text, 0, MaxThreadCount, out long value);
                model.Threads = (int)value;
                return isRight;
            }),
        new(nameof(ModelSettings.WarmUp), "--warm-up", "[NAME=]HxW...",
            "Patch grids to warm up before the model is ready (default: one of the size of the query grid)." + ForOne,
            "rows x columns such as 24x24, each from 1 to 65535", (model, text) =>
            {
                model.WarmUp.Add(text);
                return SettingValue.TryGrid(text, out _);
            })
        {
            Clear = model => model.WarmUp = [],
        },
    ];

    private static Setting<ModelSettings> Choice(string key, string option, string[] choices, string description,
        Action<ModelSettings, string> set)
        => new(key, option, $"[NAME=]{string.Join('|', choices)}", description, string.Join(", ", choices),
            (model, text) =>
            {
                set(model, text);
                return choices.Contains(text);
            });
}
