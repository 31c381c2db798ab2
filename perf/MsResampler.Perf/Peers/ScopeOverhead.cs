namespace MsResampler.Perf.Peers;

/// <summary>The cost of two narrow scopes in addition to a global scope, with shared keys and values. Times are medians
/// in milliseconds; all four are measured in turns.</summary>
/// <param name="Shape">The shape's name.</param>
/// <param name="Batch">Images in a call.</param>
/// <param name="OursThreeMs">The engine with three scopes.</param>
/// <param name="OursOneMs">The engine with only the global scope.</param>
/// <param name="PeerThreeMs">ONNX Runtime with three scopes.</param>
/// <param name="PeerOneMs">ONNX Runtime with only the global scope.</param>
internal sealed record ScopeOverhead(string Shape, int Batch, double OursThreeMs, double OursOneMs, double PeerThreeMs,
    double PeerOneMs)
{
    public double OursRatio => OursThreeMs / OursOneMs;

    public double PeerRatio => PeerThreeMs / PeerOneMs;
}
