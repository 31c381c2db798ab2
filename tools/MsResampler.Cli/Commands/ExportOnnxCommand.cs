using System.CommandLine;
using MsResampler.Onnx;

namespace MsResampler.Cli.Commands;

/// <summary>The command <c>export-onnx</c>: writes a model as a standard ONNX graph.</summary>
internal static class ExportOnnxCommand
{
    private static readonly PatchGrid s_defaultGrid = new(24, 24);

    public static Command Create(Terminal terminal, CancellationToken cancellationToken)
    {
        Option<string> model = Options.Model();
        Option<CheckpointLayout?> layout = Options.Layout();
        Option<string> output = Options.Path("--out", "FILE", "The ONNX file to write.");
        Option<PatchGrid?> grid = Options.Grid("The patch grid of every image.", s_defaultGrid);
        ExampleCommand command = new("export-onnx",
            "Write a model as a standard ONNX graph for one patch grid.")
        {
            Notes =
            [
                "The graph computes tokens [batch, queries, size] from features [batch, rows, columns, channels],",
                "in float32, for a batch of any size.",
                "Positions and scopes depend on the patch grid, so each grid needs its own file.",
                "The graph is for images. Groups of frames differ in the number of frames, their grids and their",
                "times, which one fixed graph cannot express.",
            ],
            Examples =
            [
                "msresampler export-onnx --model model --out model.onnx",
                "msresampler export-onnx --model model --out wide.onnx --grid 24x32",
            ],
            Options = { model, layout, output, grid },
        };
        command.SetAction(parsed =>
        {
            Run(parsed.GetRequiredValue(model), parsed.GetValue(layout), parsed.GetRequiredValue(output),
                parsed.GetValue(grid)!.Value, terminal, cancellationToken);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Run(string folder, CheckpointLayout? layout, string path, PatchGrid grid, Terminal terminal,
        CancellationToken cancellationToken)
    {
        Inputs inputs = new Inputs().AddModel(folder);
        inputs.Check(path);
        using ResamplerModel model = TokenEngine.OpenModel(folder, layout, terminal);
        CallSize.Require($"--grid {grid}", model.Config, grid.PatchCount);
        using OutputFile file = new(path, inputs);
        terminal.Say($"writing {path}");
        try
        {
            OnnxExporter.Write(model, grid, file.Stream);
        }
        catch (NotSupportedException exception)
        {
            throw new InputException($"{path}: {exception.Message}", exception);
        }

        long byteCount = file.Stream.Length;
        file.Commit(cancellationToken);
        ResamplerConfig config = model.Config;
        terminal.Line($"{path}: " +
            $"{OnnxExporter.InputName} [batch, {grid.Rows}, {grid.Columns}, {config.VisionHiddenSize}] -> " +
            $"{OnnxExporter.OutputName} [batch, {config.QueryGrid.QueryCount}, {config.OutputSize}], " +
            $"{Quantity.Scaled(byteCount)}B");
    }
}
