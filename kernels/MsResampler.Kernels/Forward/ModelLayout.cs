using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Gate;

namespace MsResampler.Kernels.Forward;

/// <summary>The axes of a model as they lie on the device. All sizes count elements.</summary>
/// <param name="config">The model.</param>
/// <param name="elementBytes">The size of an activation: 4 or 2.</param>
internal sealed class ModelLayout(ResamplerConfig config, int elementBytes)
{
    private readonly int _alignment = DeviceVector.Bytes / elementBytes;

    public ResamplerConfig Config => config;

    /// <summary>The size of an activation in bytes.</summary>
    public int ElementBytes => elementBytes;

    /// <summary>C.</summary>
    public PaddedAxis Channels => new(config.VisionHiddenSize, 1, _alignment);

    /// <summary>D as one row.</summary>
    public PaddedAxis Width => new(config.HiddenSize, 1, _alignment);

    /// <summary>D as heads.</summary>
    public PaddedAxis Heads => new(config.HeadSize, config.AttentionHeadCount, _alignment);

    /// <summary>S·D, the branches of one token.</summary>
    public PaddedAxis Branches => new(config.HiddenSize, config.Scopes.Count, _alignment);

    /// <summary>G, in float32; empty without a gate.</summary>
    public PaddedAxis GateHidden => new(config.Gate?.HiddenSize ?? 0);

    /// <summary>L, in float32.</summary>
    public PaddedAxis Output => new(config.OutputSize);

    /// <summary>S.</summary>
    public int ScopeCount => config.Scopes.Count;

    /// <summary>The number of scopes with keys and values of their own.</summary>
    public int KeyScopeCount => config.ShareKeyValues ? 1 : ScopeCount;

    /// <summary>M.</summary>
    public int QueryCount => config.QueryGrid.QueryCount;

    /// <summary>S·R.</summary>
    public int GateCount => ScopeCount * config.GateGroupCount;

    /// <summary>Whether the projected queries depend on the patch grid.</summary>
    public bool HasAnchoredQueries => config.PositionEmbedding.Queries == PositionEmbeddingType.SinCos2D;

    /// <summary>Whether keys add positions of their patches.</summary>
    public bool HasKeyPositions => config.PositionEmbedding.Keys != PositionEmbeddingType.None;

    /// <summary>The size of the projected queries of all scopes, [S, M, heads].</summary>
    public int ProjectedQueries => checked(ScopeCount * QueryCount * Heads.PaddedSize);

    /// <summary>The extents that attention kernels take.</summary>
    public AttentionShape AttentionShape => new()
    {
        ScopeCount = ScopeCount,
        KeyScopeCount = KeyScopeCount,
        HeadCount = Heads.SegmentCount,
        HeadVectors = DeviceVector.Count(Heads.PaddedSegment, elementBytes),
        QueryColumns = config.QueryGrid.Columns,
    };

    /// <summary>The extents that the kernels of gate and fusion take.</summary>
    /// <param name="tokenCount">Tokens.</param>
    public FusionGateShape FusionShape(int tokenCount) => new()
    {
        TokenCount = tokenCount,
        HiddenVectors = DeviceVector.Count(GateHidden.PaddedSize, sizeof(float)),
        ScopeCount = ScopeCount,
        GateGroupCount = config.GateGroupCount,
        Width = Width.Size,
        Stride = DeviceVector.Count(Width.PaddedSize, elementBytes),
        RootEpsilon = (float)Math.Sqrt(config.LayerNormEpsilon),
    };
}
