using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace MsResampler.Cli.Commands;

/// <summary>The command <c>init</c>: writes a model with random weights.</summary>
internal static class InitCommand
{
    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    public static Command Create(Terminal terminal, CancellationToken cancellationToken)
    {
        Option<string> config = Options.Path("--config", "FILE", "The config.json of the model.");
        Option<string> output = Options.Path("--out", "DIR",
            "The model folder to write; it is created if it does not exist.");
        Option<ulong> seed = Options.Seed();
        Option<WeightType?> type =
            Options.ElementType("The type of the weights (default: torch_dtype of the config).");
        Option<bool> force = Options.ReplaceModel();
        ExampleCommand command = new("init", "Write a model with random weights.")
        {
            Notes =
            [
                "The model is not trained: use it for first steps and to measure speed.",
            ],
            Examples =
            [
                "msresampler init --config config.json --out model",
                "msresampler init --config config.json --out model-bf16 --seed 7 --dtype bf16",
            ],
            Options = { config, output, seed, type, force },
        };
        command.SetAction(parsed =>
        {
            string path = parsed.GetRequiredValue(config);
            string folder = parsed.GetRequiredValue(output);
            byte[] json = InputFile.ReadConfiguration(path, config.Name);
            // --config may be the config.json in --out: the command then makes the model again.
            NewModel.CheckWeights(folder, new Inputs().Add(path));
            Run(json, path, folder, parsed.GetValue(seed), parsed.GetValue(type), parsed.GetValue(force), terminal,
                cancellationToken);
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>Writes the model.</summary>
    public static void Run(byte[] configJson, string configSource, string folder, ulong seed, WeightType? type,
        bool force, Terminal terminal, CancellationToken cancellationToken)
    {
        List<string> warnings = [];
        ResamplerConfig config = ConfigReader.Read(configJson, configSource, warnings);
        warnings.ForEach(terminal.Warn);
        NewModel.RefuseToOverwrite(folder, force);
        WeightType weightType = type ?? config.TorchDType;
        string configType = WeightTypes.NameOf(weightType);
        if (type is not null)
        {
            JsonNode root = JsonNode.Parse(configJson)!;
            root.AsObject().Remove("dtype");
            root["torch_dtype"] = configType;
            configJson = JsonSerializer.SerializeToUtf8Bytes(root, s_indented);
        }

        terminal.Say($"writing {folder}");
        NewModel.Write(folder, () => RandomModel.Write(folder, config, configJson, seed,
            new RandomModelOptions { Type = WeightTypes.TensorTypeOf(weightType) }, cancellationToken));
        long parameterCount = NewModel.ParameterCount(folder);
        terminal.Line($"{folder}: {Quantity.Scaled(parameterCount)}parameters in {configType}, " +
            $"seed {seed}, {NewModel.Describe(config)}");
    }
}
