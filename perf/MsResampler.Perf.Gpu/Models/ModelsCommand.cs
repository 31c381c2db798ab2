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
            Description = "Write two model folders per shape to this folder: scopes have their own keys and values, " +
                "or share them.",
            HelpName = "DIR",
            Required = true,
        };
        Command command = new("models", "Write the models of the benchmarks, each with the features of one image and " +
            "the CPU engine's tokens. perf/peers/torch_peer.py reads them.") { output };
        ShapeOptions shapes = ShapeOptions.AddTo(command);
        command.SetAction(parsed => Run(parsed.GetRequiredValue(output).FullName, shapes.Select(parsed)));
        return command;
    }

    private static void Run(string folder, IEnumerable<PeerShape> shapes)
    {
        foreach (PeerShape shape in shapes)
        {
            PerfModel model = PerfModel.Of(shape, folder);
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
