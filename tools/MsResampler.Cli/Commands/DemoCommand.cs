using System.CommandLine;
using System.Text;
using MsResampler.Cli.Maps;
using MsResampler.Vision;

namespace MsResampler.Cli.Commands;

/// <summary>The command <c>demo</c>: makes a small model and a picture, and runs the model on it.</summary>
internal static class DemoCommand
{
    private const int PatchSize = 14;
    private const int Side = 336;
    private const string PictureName = "landscape.png";

    private const string Config = """
        {
          "model_type": "ms_resampler",
          "vision_hidden_size": 588, "hidden_size": 256, "num_attention_heads": 8,
          "query_grid": [8, 8], "output_size": 512,
          "scopes": [
            { "name": "local",  "prior": "window",   "window": [4, 4], "border": "clip" },
            { "name": "region", "prior": "gaussian", "sigma": [3.0, 3.0], "window": [12, 12] },
            { "name": "global", "prior": "none" }
          ],
          "share_queries": true, "share_kv": false,
          "position_embedding": { "type": "sincos2d", "keys": true, "queries": false },
          "gate": { "type": "mlp", "hidden_size": 64, "granularity": "token" },
          "layer_norm_eps": 1e-6, "torch_dtype": "float32"
        }

        """;

    public static Command Create(Terminal terminal, CancellationToken cancellationToken)
    {
        Option<string> output = new("--out")
        {
            Description = "The folder to write to. Files of an earlier demo are replaced.",
            HelpName = "DIR",
            DefaultValueFactory = _ => "demo",
        };
        Option<bool> force = new("--force")
        {
            Description = "Also replace files with the same names that are not from an earlier demo.",
        };
        ExampleCommand command = new("demo",
            "Make a small random model and a picture, compute the picture's tokens and draw maps.")
        {
            Examples =
            [
                "msresampler demo",
                "msresampler demo --out /tmp/demo",
            ],
            Options = { output, force },
        };
        command.SetAction(parsed =>
        {
            Run(parsed.GetRequiredValue(output), parsed.GetValue(force), terminal, cancellationToken);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Run(string folder, bool force, Terminal terminal, CancellationToken cancellationToken)
    {
        byte[] config = Encoding.UTF8.GetBytes(Config);
        string model = Path.Combine(folder, "model");
        string tokens = Path.Combine(folder, "tokens.safetensors");
        if (!force)
            RefuseToReplace(folder, config, [Path.Combine(model, ResamplerModel.ConfigFileName),
                Path.Combine(model, "model.safetensors"), Path.Combine(folder, PictureName), tokens,
                Path.Combine(folder, "maps")]);
        using OutputFolder output = new(folder, "--out", new Inputs());
        output.AddNew(tokens);
        using OutputFolder modelFolder = new(model, "--out", new Inputs());
        modelFolder.AddNew(Path.Combine(model, ResamplerModel.ConfigFileName));
        modelFolder.AddNew(Path.Combine(model, "model.safetensors"));
        InitCommand.Run(config, "the demo's configuration", model, seed: 1, type: null, force: true, terminal,
            cancellationToken);
        string picture = output.Write(PictureName, DemoPicture.Draw(), cancellationToken);
        IReadOnlyList<string> maps = RunImages.Run(new RunRequest
        {
            Model = model,
            OpenSource = () => ImageFeatures.Open([picture], PatchSize, new ImageSize(Side, Side)),
            Output = tokens,
            InputFiles = [picture],
            MapFolder = Path.Combine(folder, "maps"),
        }, terminal, cancellationToken);
        modelFolder.Commit();
        output.Commit();

        terminal.Line();
        terminal.Line($"The model cut {picture} into 24x24 patches and made 64 tokens, one per query of an 8x8 grid.");
        terminal.Line("Each query looks at the patches in three scopes, and a gate weights the scopes. Open the maps:");
        foreach (string map in maps)
            terminal.Line($"  {map}");
        terminal.Line("look-0-local    a token sees 4x4 patches around its position: a sharp square.");
        terminal.Line("look-1-region   a token sees 12x12 patches, weaker with distance: a soft spot.");
        terminal.Line("look-2-global   a token sees all patches: no square and no spot.");
        terminal.Line("gate            the scope with the largest weight for each token, and all weights.");
        terminal.Line("The weights are random, so the maps show the shapes of the scopes and nothing learned.");
        terminal.Line($"Next: msresampler inspect {model}");
        terminal.Line($"      msresampler run --model {model} --image YOUR.jpg --out tokens.safetensors " +
            "--maps maps");
        terminal.Line("With a vision encoder in ONNX and a resampler that was trained with it, for a million photos:");
        terminal.Line("      msresampler run --model RESAMPLER --encoder VIT.onnx --images PHOTOS --out TOKENS");
    }

    /// <summary>Throws if a file exists, unless the folder holds an earlier demo: a model with the same
    /// configuration.</summary>
    private static void RefuseToReplace(string folder, ReadOnlySpan<byte> config, string[] paths)
    {
        if (File.Exists(paths[0]) && File.ReadAllBytes(paths[0]).AsSpan().SequenceEqual(config))
            return;
        foreach (string path in paths.Where(Path.Exists))
            throw new InputException($"{path}: this exists and is not from an earlier demo; choose a folder other " +
                $"than {folder}, or add --force to replace it");
    }
}
