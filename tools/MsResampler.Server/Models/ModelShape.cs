namespace MsResampler.Server.Models;

/// <summary>The sizes of a model that requests and answers depend on.</summary>
/// <param name="FeatureWidth">C, the number of values of a patch feature.</param>
/// <param name="TokenCount">M, the number of tokens of an image or group.</param>
/// <param name="TokenWidth">L, the number of values of a token.</param>
/// <param name="ScopeCount">S, the number of scopes.</param>
/// <param name="GateGroupCount">R, the number of groups of channels that the gate weights.</param>
/// <param name="HasEncoder">Whether the model takes pictures.</param>
internal sealed record ModelShape(int FeatureWidth, int TokenCount, int TokenWidth, int ScopeCount, int GateGroupCount,
    bool HasEncoder);
