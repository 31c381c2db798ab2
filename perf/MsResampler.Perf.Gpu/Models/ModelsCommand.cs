using System.CommandLine;
using MsResampler.Safetensors;

namespace MsResampler.Perf.Models;

/// <summary>The command <c>models</c>: writes the models of the benchmarks to files, for other
/// implementations.</summary>
internal static class ModelsCommand
{
    public static Command Create()
    {
        Option<DirectoryInfo> output = new("--out")
        {
            Description = "Write one model folder per shape to this folder.",
            HelpName = "DIR",
            Required = true,
        };
        Option<string[]> shapes = ShapeOption();
        Option<bool> isShared = new("--shared") { Description = "Write models whose scopes share keys and values." };
        Command command = new("models", "Write the models of the benchmarks, each with the features of one image and " +
            "the CPU engine's tokens. perf/peers/torch_peer.py reads them.") { output, shapes, isShared };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(output).FullName, parsed.GetValue(shapes) ?? [],
            parsed.GetValue(isShared)));
        return command;
    }

    /// <summary>The option that selects shapes; without it, commands use all shapes.</summary>
    public static Option<string[]> ShapeOption()
    {
        Option<string[]> option = new("--shape")
        {
            Description = $"Use only these shapes: {string.Join(", ", PeerShape.All.Select(shape => shape.Name))}.",
            HelpName = "NAME",
            AllowMultipleArgumentsPerToken = true,
        };
        return option.AcceptOnlyFromAmong([.. PeerShape.All.Select(shape => shape.Name)]);
    }

    private static void Run(string folder, string[] names, bool isShared)
    {
        foreach (PeerShape shape in PeerShape.All.Where(shape => names is [] || names.Contains(shape.Name)))
        {
            PerfModel model = PerfModel.Of(shape with { ShareKeyValues = isShared }, folder);
            float[] features = model.Features(batch: 1);
            float[] tokens = model.Tokens(batch: 1);
            using (Resampler engine = Resampler.Load(model.Folder))
                engine.Resample(features, model.Grids(batch: 1), tokens);
            Write(model, "features", [1, shape.Grid.Rows, shape.Grid.Columns, shape.VisionWidth], features);
            Write(model, "tokens", shape.OutputShape(batch: 1), tokens);
            Console.WriteLine(model.Folder);
        }
    }

    private static void Write(PerfModel model, string name, long[] shape, float[] values)
        => SafetensorsWriter.Write(Path.Combine(model.Folder, name + ".safetensors"),
            [new TensorToWrite(name, TensorType.F32, shape, values)]);
}
