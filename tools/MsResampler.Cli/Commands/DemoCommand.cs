using System.CommandLine;
using System.Text;
using MsResampler.Cli.Display;
using MsResampler.Cli.Input;
using MsResampler.Cli.Maps;

namespace MsResampler.Cli.Commands;

/// <summary><c>demo</c>: a small model and a picture, made and run.</summary>
internal static class DemoCommand
{
    private const int PatchSize = 14;
    private const int Side = 336;

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
            Description = "The folder to write to; what an earlier demo left there is replaced.",
            HelpName = "DIR",
            DefaultValueFactory = _ => "demo",
        };
        ExampleCommand command = new("demo",
            "Make a small model and a picture, turn the picture into tokens, and draw maps.")
        {
            Examples =
            [
                "msresampler demo",
                "msresampler demo --out /tmp/demo",
            ],
        };
        command.Options.Add(output);
        command.SetAction(parsed =>
        {
            Run(parsed.GetRequiredValue(output), terminal, cancellationToken);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Run(string folder, Terminal terminal, CancellationToken cancellationToken)
    {
        if (File.Exists(folder))
            throw new InputException($"{folder}: this is a file; --out names a folder");
        Directory.CreateDirectory(folder);
        string model = Path.Combine(folder, "model");
        string picture = Path.Combine(folder, "landscape.png");
        InitCommand.Run(Encoding.UTF8.GetBytes(Config), "the demo's configuration", model, seed: 1,
            type: null, force: true, terminal);
        DemoPicture.Write(picture);
        IReadOnlyList<string> maps = RunCommand.Run(new RunRequest
        {
            Model = model,
            OpenSource = () => ImageFeatures.Open([picture], PatchSize, new ImageSize(Side, Side)),
            Output = Path.Combine(folder, "tokens.safetensors"),
            MapFolder = Path.Combine(folder, "maps"),
        }, terminal, cancellationToken);

        terminal.Line();
        terminal.Line($"{picture} was cut into 24x24 patches; 64 queries on an 8x8 grid made a token each.");
        terminal.Line("Three scopes looked at the patches; a gate weighed them. Open these:");
        foreach (string map in maps)
            terminal.Line($"  {map}");
        terminal.Line("look-0-local    a token sees the 4x4 patches around its place: a sharp square.");
        terminal.Line("look-1-region   it sees 12x12 patches, fading with distance: a soft spot.");
        terminal.Line("look-2-global   it sees everything: no square, no spot, only what its query finds.");
        terminal.Line("gate            which scope each token takes, and how much of each.");
        terminal.Line("The weights are random: squares and spots are the scopes' priors, and nothing here " +
            "was learned.");
        terminal.Line($"Next: msresampler inspect {model}");
        terminal.Line($"      msresampler run --model {model} --image YOUR.jpg --out tokens.safetensors " +
            "--maps maps");
    }
}
