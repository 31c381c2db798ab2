namespace MsResampler;

/// <summary>What one image's tokens were made of.</summary>
public sealed class Explanation
{
    internal Explanation(PatchGrid grid, int queryCount, int scopeCount, int headCount, int gateGroupCount,
        float[][] attention, float[] gate)
    {
        Grid = grid;
        QueryCount = queryCount;
        ScopeCount = scopeCount;
        HeadCount = headCount;
        GateGroupCount = gateGroupCount;
        _attention = attention;
        _gate = gate;
    }

    private readonly float[][] _attention;
    private readonly float[] _gate;

    /// <summary>The image's patch grid.</summary>
    public PatchGrid Grid { get; }

    /// <summary>M.</summary>
    public int QueryCount { get; }

    /// <summary>S.</summary>
    public int ScopeCount { get; }

    /// <summary>A.</summary>
    public int HeadCount { get; }

    /// <summary>R: 1, or A when the gate weighs each head's channels.</summary>
    public int GateGroupCount { get; }

    /// <summary>Attention weights of one scope and head, [M, N] row-major; each row sums to 1 and is 0 outside the
    /// query's scope.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such scope or head.</exception>
    public ReadOnlySpan<float> Attention(int scopeIndex, int headIndex)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(scopeIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(scopeIndex, ScopeCount);
        ArgumentOutOfRangeException.ThrowIfNegative(headIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(headIndex, HeadCount);
        int count = QueryCount * (int)Grid.PatchCount;
        return _attention[scopeIndex].AsSpan(headIndex * count, count);
    }

    /// <summary>Gate weights, [M, S, R] row-major; for each query and group they sum to 1 over the scopes. With one
    /// scope they are all 1.</summary>
    public ReadOnlySpan<float> Gate => _gate;
}
