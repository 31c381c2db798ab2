using MsResampler.Model;

namespace MsResampler.Training.Passes;

/// <summary>What a backward pass must compute, because a parameter that is not frozen, or the caller, needs
/// it.</summary>
internal sealed class GradientNeeds
{
    private readonly ModelParts _parts;

    /// <param name="parts">The model.</param>
    /// <param name="features">Whether the caller needs the gradient of the features.</param>
    public GradientNeeds(ModelParts parts, bool features)
    {
        _parts = parts;
        Features = features;
        Input = features || parts.Input is { IsTrained: true } || parts.KeyValueNorm.IsTrained;
        bool positions = parts.Positions is { IsFrozen: false };
        KeyPositions = positions && parts.Config.PositionEmbedding.Keys == PositionEmbeddingType.Stored;
        QueryPositions = positions && parts.Config.PositionEmbedding.Queries == PositionEmbeddingType.Stored;
        bool anyBranch = Enumerable.Range(0, parts.Scopes.Count).Any(Branch);
        Fused = anyBranch || parts.GateHidden is { IsTrained: true } || parts.GateOutput is { IsTrained: true };
        GateInput = anyBranch;
        GateHidden = GateInput || parts.GateHidden is { IsTrained: true };
    }

    /// <summary>The gradient of the features.</summary>
    public bool Features { get; }

    /// <summary>The gradient of Z.</summary>
    public bool Input { get; }

    /// <summary>The part of the gradient of pos_embed that comes from keys.</summary>
    public bool KeyPositions { get; }

    /// <summary>The part of the gradient of pos_embed that comes from queries.</summary>
    public bool QueryPositions { get; }

    /// <summary>The gradient of F.</summary>
    public bool Fused { get; }

    /// <summary>The gradient of the hidden layer of the gate.</summary>
    public bool GateHidden { get; }

    /// <summary>The gradient of the branch outputs, which the gate reads.</summary>
    public bool GateInput { get; }

    /// <summary>The gradient of the branch output of a scope.</summary>
    public bool Branch(int scope) => _parts.Scopes[scope].OutputProjection.IsTrained || Attention(scope);

    /// <summary>Any gradient of the attention of a scope.</summary>
    public bool Attention(int scope) => Keys(scope) || Values(scope) || Queries(scope) || Sigma(scope);

    /// <summary>The gradient of the projected keys of a scope.</summary>
    public bool Keys(int scope) => Input || KeyPositions || _parts.Scopes[scope].KeyProjection.IsTrained;

    /// <summary>The gradient of the projected values of a scope.</summary>
    public bool Values(int scope) => Input || _parts.Scopes[scope].ValueProjection.IsTrained;

    /// <summary>The gradient of the projected queries of a scope.</summary>
    public bool Queries(int scope) => QueryInput(scope) || _parts.Scopes[scope].QueryProjection.IsTrained;

    /// <summary>The gradient of the normalised queries of a scope.</summary>
    public bool QueryInput(int scope)
        => !_parts.Scopes[scope].Queries.IsFrozen || _parts.QueryNorm.IsTrained || QueryPositions;

    /// <summary>The gradient of log sigma of a scope.</summary>
    public bool Sigma(int scope) => _parts.Scopes[scope].LogSigma is { IsFrozen: false };
}
