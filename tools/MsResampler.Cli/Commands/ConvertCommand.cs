using System.CommandLine;

namespace MsResampler.Cli.Commands;

/// <summary>The command <c>convert</c>: writes a model of any layout as a model folder of this project.</summary>
internal static class ConvertCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellationToken)
    {
        Option<string> model = Options.Model();
        Option<CheckpointLayout?> layout = Options.Layout();
        Option<string> output = Options.Path("--out", "DIR",
            "The model folder to write; it is created if it does not exist.");
        Option<StoredType?> type = Options.StoredType("The type of the weights (default: each as it is); int8 stores " +
            "the matrices of layers as integers.");
        Option<ModelLayers?> int8Layers = Options.Int8Layers("With --dtype int8");
        Option<string?> scopes = Options.OptionalPath("--scopes", "FILE",
            "New scopes for a model with one: a JSON file with scopes, gate, share_queries and share_kv as in " +
            "config.json, and optionally query_grid.");
        Option<bool> force = Options.ReplaceModel();
        ExampleCommand command = new("convert", "Write a model as a folder with config.json and model.safetensors.")
        {
            Notes =
            [
                "Values that the type holds stay exact; others are rounded to nearest even. A value outside its range",
                "is an error.",
                "int8 stores the integers that --precision int8 multiplies by, with one scale per row. Run with the",
                "same --int8-layers, the model has the same tokens as the one that is read. Matrices with outlier",
                "channels stay as they are and are rounded when the model is loaded.",
                "With --scopes every scope receives the queries and the attention of the model's only scope, and the",
                "gate gives all scopes the same weight: a start for training. Without windows and Gaussians the tokens",
                "are those of the model. The query grid is the model's unless the file names one with as many queries.",
            ],
            Examples =
            [
                "msresampler convert --model model --out model-f16 --dtype f16",
                "msresampler convert --model model --out model-int8 --dtype int8",
                "msresampler convert --model MiniCPM-V-2_6 --out resampler",
                "msresampler convert --model model --out multi --scopes scopes.json",
            ],
            Options = { model, layout, output, type, int8Layers, scopes, force },
        };
        command.SetAction(parsed =>
        {
            StoredType? stored = parsed.GetValue(type);
            if (stored != StoredType.Integers && parsed.GetValue(int8Layers) is not null)
                throw new InputException($"{int8Layers.Name} can only be used with --dtype int8");
            if (stored == StoredType.Integers && parsed.GetValue(scopes) is not null)
                throw new InputException("--scopes makes a model for training, and integers cannot be trained; " +
                    "convert with --scopes first, train the model, and convert that with --dtype int8");
            Run(parsed.GetRequiredValue(model), parsed.GetValue(layout), parsed.GetRequiredValue(output),
                stored, parsed.GetValue(int8Layers), parsed.GetValue(scopes),
                parsed.GetValue(force), terminal, cancellationToken);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Run(string path, CheckpointLayout? layout, string folder, StoredType? type,
        ModelLayers? int8Layers, string? scopesPath, bool force, Terminal terminal, CancellationToken cancellationToken)
    {
        Inputs inputs = new Inputs().AddModel(path);
        byte[]? scopesJson = null;
        if (scopesPath is not null)
        {
            scopesJson = InputFile.ReadConfiguration(scopesPath, "--scopes");
            inputs.Add(scopesPath);
        }

        NewModel.Check(folder, inputs);
        NewModel.RefuseToOverwrite(folder, force);
        using ResamplerModel model = TokenEngine.OpenModel(path, layout, terminal);
        if (ModelWriter.IsFolderOf(folder, model))
            throw new InputException($"{folder}: the files of the model are in this folder; choose another one");
        ResamplerConfig config = model.Config;
        if (scopesJson is not null)
        {
            List<string> warnings = [];
            config = ScopesReader.Read(scopesJson, scopesPath!, config, warnings);
            warnings.ForEach(warning => terminal.Warn($"{scopesPath}: {warning}"));
        }

        ModelLayers layers = IntegerTypes.Int8LayersOf(int8Layers, model.Weights);
        if (type == StoredType.Integers && model.Weights.Matrices().Any(matrix
            => (matrix.Matrix.StoredIntegers ?? IntegerTypes.Of(layers, matrix.Layer, matrix.Matrix))
                != IntegerTypes.Of(layers, matrix.Layer, matrix.Matrix)))
            terminal.Warn($"{path}: integers are rounded a second time; a conversion of the model of floats is more " +
                "accurate");
        terminal.Say($"writing {folder}");
        NewModel.Write(folder, () =>
        {
            if (type == StoredType.Integers)
                ModelWriter.WriteIntegers(folder, model, layers, cancellationToken);
            else if (scopesJson is null)
                ModelWriter.Write(folder, model, type?.Type, cancellationToken);
            else
                ModelWriter.WriteWithScopes(folder, model, config, type?.Type, cancellationToken);
        });
        terminal.Line($"{folder}: {Quantity.Scaled(NewModel.ParameterCount(folder))}parameters, " +
            NewModel.Describe(config));
    }
}
