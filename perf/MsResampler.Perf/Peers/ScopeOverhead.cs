namespace MsResampler.Perf.Peers;

/// <summary>What two narrower scopes beside a global one cost, with shared keys and values: the time of three scopes over
/// that of the global one alone.</summary>
/// <param name="Shape">The shape's name.</param>
/// <param name="Batch">Images in a call.</param>
/// <param name="OursRatio">The engine's.</param>
/// <param name="PeerRatio">ONNX Runtime's.</param>
internal sealed record ScopeOverhead(string Shape, int Batch, double OursRatio, double PeerRatio);
