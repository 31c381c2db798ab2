using System.CommandLine;
using System.Globalization;
using System.Text;

namespace MsResampler.Perf.Accuracy;

/// <summary>The command <c>accuracy</c>: what each layer with 8-bit integers costs the tokens. The figures do not
/// depend on the machine, because tokens with integer products have the same bits on every one.</summary>
internal static class AccuracyCommand
{
    private const int ModelCount = 128;

    private static readonly (string Name, ModelLayers Layers)[] s_rows =
    [
        ("none", ModelLayers.None),
        ("kv_proj", ModelLayers.KeyValueInput),
        ("k_proj", ModelLayers.Keys),
        ("v_proj", ModelLayers.Values),
        ("out_proj", ModelLayers.Outputs),
        ("gate", ModelLayers.Gate),
        ("proj", ModelLayers.Projection),
        ("attention", ModelLayers.Attention),
        ("k_proj, gate (default)", IntegerTypes.DefaultInt8Layers),
        ("all", ModelLayers.All),
    ];

    public static Command Create()
    {
        Command command = new("accuracy",
            "Compare integer products with the double-precision reference, layer by layer.");
        command.SetAction(_ => Run());
        return command;
    }

    private static void Run()
    {
        (double Error, double Agreement)[][] found = new (double, double)[ModelCount][];
        Parallel.For(0, ModelCount, seed =>
        {
            using AccuracyModel model = new(seed);
            found[seed] = [.. s_rows.Select(row => model.Measure(row.Layers))];
        });
        StringBuilder text = new($"""
            # The accuracy of integer products

            - commit: {Machine.Commit}
            - command: `dotnet run -c Release --project perf/MsResampler.Perf -- accuracy`
            - {ModelCount} random models: 1 to 3 scopes, 128 to 512 channels, 64 to 256 patches, normally distributed
              weights and features

            Each row has the named layers in 8 bits and the others in 16. Error: relative L2 error of the tokens of an
            image against the double-precision reference with the weights in floats. Attention: share of queries and
            heads whose largest attention weight is at the same patch as in the reference. The figures are the same on
            every processor.

            | layers with 8 bits | error, median | error, worst | attention, median | attention, worst |
            |---|--:|--:|--:|--:|

            """);
        for (int row = 0; row < s_rows.Length; row++)
        {
            double[] errors = [.. found.Select(model => model[row].Error).Order()];
            double[] agreements = [.. found.Select(model => model[row].Agreement).Order()];
            text.AppendLine(CultureInfo.InvariantCulture, $"| {s_rows[row].Name} | {Text(errors[ModelCount / 2])} | " +
                $"{Text(errors[^1])} | {100 * agreements[ModelCount / 2]:f1} % | {100 * agreements[0]:f1} % |");
        }

        Console.WriteLine(text);
        File.WriteAllText(Path.Combine(Machine.Results, "accuracy.md"), text.ToString());
    }

    private static string Text(double error) => error.ToString("0.0e0", CultureInfo.InvariantCulture);
}
