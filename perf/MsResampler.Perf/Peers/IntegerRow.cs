using System.Text.Json.Serialization;

namespace MsResampler.Perf.Peers;

/// <summary>A row of the table of products of integers. Errors are relative L2 differences from the engine's tokens in
/// float32; times are in milliseconds.</summary>
/// <param name="Shape">The shape's name.</param>
/// <param name="Batch">Images in a call.</param>
/// <param name="ShareKv">Whether scopes share keys and values.</param>
/// <param name="Threads">Threads of each implementation.</param>
/// <param name="Float32Times">The engine in float32.</param>
/// <param name="Ours">The engine with the default layers in 8 bits.</param>
/// <param name="OursAll">The engine with all layers in 8 bits.</param>
/// <param name="Dynamic">ONNX Runtime, activations quantised at run time.</param>
/// <param name="Static">ONNX Runtime, activations with constant scales.</param>
internal sealed record IntegerRow(string Shape, int Batch, bool ShareKv, int Threads,
    [property: JsonIgnore] Spread Float32Times, IntegerResult Ours, IntegerResult OursAll, IntegerResult Dynamic,
    IntegerResult Static)
{
    public double Float32Ms => Float32Times.Median;

    /// <summary>The faster of ONNX Runtime's two.</summary>
    [JsonIgnore]
    public IntegerResult Peer => Dynamic.Ms <= Static.Ms ? Dynamic : Static;
}
