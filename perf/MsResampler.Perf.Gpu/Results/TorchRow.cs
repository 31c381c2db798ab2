using System.Text.Json;

namespace MsResampler.Perf.Results;

/// <summary>A row of torch_peer.py.</summary>
/// <param name="Model">The model folder's name.</param>
/// <param name="Batch">Images in a call.</param>
/// <param name="Type">The type of weights and activations.</param>
/// <param name="Variant">The variant, and whether it is replayed as a CUDA graph.</param>
/// <param name="Warm">Device time with a warm second-level cache, in milliseconds.</param>
internal sealed record TorchRow(string Model, int Batch, string Type, string Variant, double Warm)
{
    /// <summary>The row of a result; null if it is another result, or there is no time.</summary>
    public static TorchRow? Of(Result result)
    {
        if (result.Data is not { ValueKind: JsonValueKind.Object } data || !data.TryGetProperty("variant", out _)
            || !data.TryGetProperty("ms", out JsonElement times))
        {
            return null;
        }

        return new TorchRow(Text("model"), data.GetProperty("batch").GetInt32(), Text("dtype"),
            Text("variant") + (data.GetProperty("graph").GetBoolean() ? " + graph" : ""),
            times.GetProperty("warm").GetProperty("median").GetDouble());

        string Text(string name) => data.GetProperty(name).GetString()!;
    }
}
