using System.CommandLine;
using MsResampler.Safetensors;

namespace MsResampler.Perf.Models;

/// <summary><c>models</c>: the models of the benchmarks as files, for other implementations to run.</summary>
internal static class ModelsCommand
{
    public static Command Create()
    {
        Option<DirectoryInfo> output = new("--out")
        {
            Description = "The folder for one model folder each.",
            HelpName = "DIR",
            Required = true,
        };
        Option<string[]> shapes = ShapeOption();
        Option<bool> isShared = new("--shared") { Description = "Scopes share keys and values." };
        Command command = new("models", "Write the models of the benchmarks, each with an image's features and the " +
            "tokens that the CPU engine makes of them, for perf/peers/torch_peer.py.") { output, shapes, isShared };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(output).FullName, parsed.GetValue(shapes) ?? [],
            parsed.GetValue(isShared)));
        return command;
    }

    /// <summary>Which shapes to take; all where none is given.</summary>
    public static Option<string[]> ShapeOption()
    {
        Option<string[]> option = new("--shape")
        {
            Description = $"Only these shapes: {string.Join(", ", PeerShape.All.Select(shape => shape.Name))}.",
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
