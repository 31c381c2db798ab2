using MsResampler.Model;

namespace MsResampler.Kernels.Forward;

/// <summary>How a model's axes lie on the device.</summary>
/// <param name="config">The model.</param>
/// <param name="groupSize">Activations of 16 bytes: 4 of 32 bits or 8 of 16 bits.</param>
internal sealed class ModelLayout(ResamplerConfig config, int groupSize = 4)
{
    public ResamplerConfig Config => config;

    /// <summary>C.</summary>
    public PaddedAxis Channels { get; } = new(config.VisionHiddenSize, 1, groupSize);

    /// <summary>D as one row.</summary>
    public PaddedAxis Width { get; } = new(config.HiddenSize, 1, groupSize);

    /// <summary>D as heads.</summary>
    public PaddedAxis Heads { get; } = new(config.HeadSize, config.AttentionHeadCount, groupSize);

    /// <summary>S·D, the branches of one token.</summary>
    public PaddedAxis Branches { get; } = new(config.HiddenSize, config.Scopes.Count, groupSize);

    /// <summary>G, in float32; empty without a gate.</summary>
    public PaddedAxis GateHidden { get; } = new(config.Gate?.HiddenSize ?? 0);

    /// <summary>L, in float32.</summary>
    public PaddedAxis Output { get; } = new(config.OutputSize);

    /// <summary>S.</summary>
    public int ScopeCount => config.Scopes.Count;

    /// <summary>Scopes with keys and values of their own.</summary>
    public int KeyScopeCount => config.ShareKeyValues ? 1 : ScopeCount;

    /// <summary>M.</summary>
    public int QueryCount => config.QueryGrid.QueryCount;

    /// <summary>S·R.</summary>
    public int GateCount => ScopeCount * config.GateGroupCount;

    /// <summary>Whether queries differ from grid to grid.</summary>
    public bool HasAnchoredQueries
        => config.PositionEmbedding is { Type: PositionEmbeddingType.SinCos2D, Queries: true };

    /// <summary>Groups of the projected queries of all scopes.</summary>
    public int QueryVectors => checked(ScopeCount * QueryCount * Heads.Vectors);
}
