namespace MsResampler.Perf.Peers;

/// <summary>What two narrower scopes beside a global one cost, with shared keys and values. Times in
/// milliseconds, medians, all four in turns.</summary>
/// <param name="Shape">The shape's name.</param>
/// <param name="Batch">Images in a call.</param>
/// <param name="OursThreeMs">The engine with three scopes.</param>
/// <param name="OursOneMs">The engine with the global scope alone.</param>
/// <param name="PeerThreeMs">ONNX Runtime with three scopes.</param>
/// <param name="PeerOneMs">ONNX Runtime with the global scope alone.</param>
internal sealed record ScopeOverhead(string Shape, int Batch, double OursThreeMs, double OursOneMs, double PeerThreeMs,
    double PeerOneMs)
{
    public double OursRatio => OursThreeMs / OursOneMs;

    public double PeerRatio => PeerThreeMs / PeerOneMs;
}
