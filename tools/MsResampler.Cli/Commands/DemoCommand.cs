using System.CommandLine;
using MsResampler.Cli.Demo;
using MsResampler.Scenes;
using MsResampler.Vision;
using SkiaSharp;

namespace MsResampler.Cli.Commands;

/// <summary>The command <c>demo</c>: a small trained model answers questions about a picture.</summary>
internal static class DemoCommand
{
    private const int DefaultScene = 1;
    private const string WeightsName = "model.safetensors";
    private const string PictureName = "scene.png";
    private const string AnswersName = "answers.png";

    // Scenes that no run of the experiment contains.
    private const ulong Sequence = 4_000_000;

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
        Option<int> scene = Options.Int("--scene", "The number of the picture; each number is another one.",
            DefaultScene, 1, int.MaxValue);
        ExampleCommand command = new("demo",
            "Let a small trained model answer questions about a picture, and draw where its scopes look.")
        {
            Examples =
            [
                "msresampler demo",
                "msresampler demo --scene 7 --out /tmp/demo",
            ],
            Options = { output, scene, force },
        };
        command.SetAction(parsed =>
        {
            Run(parsed.GetRequiredValue(output), parsed.GetValue(scene), parsed.GetValue(force), terminal,
                cancellationToken);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Run(string folder, int number, bool force, Terminal terminal,
        CancellationToken cancellationToken)
    {
        byte[] config = DemoModel.ReadConfig();
        string model = Path.Combine(folder, "model");
        string tokens = Path.Combine(folder, "tokens.safetensors");
        if (!force)
            RefuseToReplace(folder, config, [Path.Combine(model, ResamplerModel.ConfigFileName),
                Path.Combine(model, WeightsName), Path.Combine(folder, PictureName),
                Path.Combine(folder, AnswersName), tokens, Path.Combine(folder, "maps")]);
        using OutputFolder output = new(folder, "--out", new Inputs());
        NewModel.RefuseToOverwrite(model, force: true);
        output.AddNew(tokens);
        using OutputFolder modelFolder = new(model, "--out", new Inputs());
        modelFolder.Write(WeightsName, DemoModel.ReadWeights(), cancellationToken);
        modelFolder.Write(ResamplerModel.ConfigFileName, config, cancellationToken);

        Scene scene = new(GarmentSet.LoadDemo(), Sequence, number);
        byte[] pixels = ScenePicture.Draw(scene);
        using SKBitmap bitmap = ToBitmap(pixels);
        string picture = output.Write(PictureName, ToPng(bitmap), cancellationToken);
        EngineChoice engineChoice = new() { Backend = BackendChoice.Cpu };
        SceneReading reading;
        string answers;
        using (ITokenEngine engine = TokenEngine.Open(model, layout: null, engineChoice, terminal))
        {
            reading = SceneReading.Of(engine, DemoModel.LoadReader(), scene, pixels, cancellationToken);
            answers = output.Write(AnswersName, AnswerSheet.Draw(reading, engine.Config, bitmap), cancellationToken);
        }

        IReadOnlyList<string> maps = RunImages.Run(new RunRequest
        {
            Model = model,
            OpenSource = () => ImageFeatures.Open([picture], SceneLayout.PatchSide,
                new ImageSize(ScenePicture.Side, ScenePicture.Side)),
            Output = tokens,
            InputFiles = [picture],
            Engine = engineChoice,
            MapFolder = Path.Combine(folder, "maps"),
        }, terminal, cancellationToken);
        modelFolder.Commit();
        output.Commit();

        int right = reading.Answers.Count(answer => answer.IsRight);
        terminal.Line();
        terminal.Line($"{picture} has {SceneLayout.CellsPerSide}x{SceneLayout.CellsPerSide} cells with garments that " +
            "the model was not trained on. The model condensed it into");
        terminal.Line($"{reading.View.Gate[0].Length} tokens. A small network sees only these tokens and answers:");
        terminal.Line();
        terminal.Table(["question", "answer", ">probability", ""], [.. reading.Answers.Select(Row)]);
        terminal.Line();
        terminal.Line($"{right} of {reading.Answers.Count} are right. Other pictures: --scene 2, --scene 3, ...");
        terminal.Line("Where the scopes look for each question:");
        terminal.Line($"  {answers}");
        terminal.Line("Maps of all tokens, one per scope, and the weights of the gate:");
        foreach (string map in maps)
            terminal.Line($"  {map}");
        terminal.Line($"Next: msresampler inspect {model}");
        terminal.Line($"      msresampler run --model {model} --image {picture} --patch {SceneLayout.PatchSide} " +
            $"--size {ScenePicture.Side} --out tokens.safetensors --maps maps");
        terminal.Line("With a vision encoder in ONNX and a resampler that was trained with it, for a million photos:");
        terminal.Line("      msresampler run --model RESAMPLER --encoder VIT.onnx --images PHOTOS --out TOKENS");
    }

    private static string[] Row(SceneAnswer answer) =>
    [
        answer.Question.ToString(),
        answer.Question.Describe(answer.Answer),
        Quantity.Percent(answer.Probability),
        answer.IsRight ? "right" : $"wrong: {answer.Question.Describe(answer.Question.Answer)}",
    ];

    private static SKBitmap ToBitmap(byte[] pixels)
    {
        SKBitmap bitmap = new(ScenePicture.Side, ScenePicture.Side, SKColorType.Rgba8888, SKAlphaType.Opaque);
        for (int index = 0; index < pixels.Length; index++)
        {
            byte grey = pixels[index];
            bitmap.SetPixel(index % ScenePicture.Side, index / ScenePicture.Side, new SKColor(grey, grey, grey));
        }

        return bitmap;
    }

    private static byte[] ToPng(SKBitmap bitmap)
    {
        using SKData data = bitmap.Encode(SKEncodedImageFormat.Png, quality: 100);
        return data.ToArray();
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
