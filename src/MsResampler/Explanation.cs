using MsResampler.Model;

namespace MsResampler;

/// <summary>The attention weights and gate weights of one image.</summary>
public sealed class Explanation
{
    private readonly float[][] _attention;
    private readonly float[] _gate;

    internal Explanation(PatchGrid grid, ResamplerConfig config, float[][] attention, float[] gate)
    {
        Grid = grid;
        QueryCount = config.QueryGrid.QueryCount;
        ScopeCount = config.Scopes.Count;
        HeadCount = config.AttentionHeadCount;
        GateGroupCount = config.GateGroupCount;
        (_attention, _gate) = (attention, gate);
    }

    /// <summary>The patch grid of the image.</summary>
    public PatchGrid Grid { get; }

    /// <summary>M, the number of queries.</summary>
    public int QueryCount { get; }

    /// <summary>S, the number of scopes.</summary>
    public int ScopeCount { get; }

    /// <summary>A, the number of attention heads.</summary>
    public int HeadCount { get; }

    /// <summary>R, the number of gate groups: 1, or A if every head has gate weights of its own.</summary>
    public int GateGroupCount { get; }

    /// <summary>Attention weights of one scope and head, [M, N] row-major. Each row sums to 1 and is 0 outside the
    /// window of the query.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The scope or the head does not exist.</exception>
    public ReadOnlySpan<float> Attention(int scopeIndex, int headIndex)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(scopeIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(scopeIndex, ScopeCount);
        ArgumentOutOfRangeException.ThrowIfNegative(headIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(headIndex, HeadCount);
        int count = QueryCount * (int)Grid.PatchCount;
        return _attention[scopeIndex].AsSpan(headIndex * count, count);
    }

    /// <summary>Gate weights, [M, S, R] row-major. For each query and group they sum to 1 over the scopes; with one
    /// scope they are 1.</summary>
    public ReadOnlySpan<float> Gate => _gate;
}
