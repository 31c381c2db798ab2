using MsResampler.Model;

namespace MsResampler;

/// <summary>The attention weights, gate weights and tokens of one image, or of one group of frames.</summary>
public sealed class Explanation
{
    private readonly PatchGrid[] _grids;
    private readonly float[] _tokens;
    private readonly float[][][] _attention;
    private readonly float[] _gate;

    /// <param name="grids">The grid of each frame.</param>
    /// <param name="config">The model.</param>
    /// <param name="tokens">The tokens, [M, L].</param>
    /// <param name="attention">The weights of each scope and frame, [A, M, patches of the frame].</param>
    /// <param name="gate">The gate weights, [M, S, R].</param>
    internal Explanation(ReadOnlySpan<PatchGrid> grids, ResamplerConfig config, float[] tokens, float[][][] attention,
        float[] gate)
    {
        _grids = grids.ToArray();
        QueryCount = config.QueryGrid.QueryCount;
        ScopeCount = config.Scopes.Count;
        HeadCount = config.AttentionHeadCount;
        GateGroupCount = config.GateGroupCount;
        (_tokens, _attention, _gate) = (tokens, attention, gate);
    }

    /// <summary>The patch grid of the image, or of the first frame of the group.</summary>
    public PatchGrid Grid => _grids[0];

    /// <summary>The patch grid of each frame; one for an image.</summary>
    public IReadOnlyList<PatchGrid> Grids => _grids;

    /// <summary>M, the number of queries.</summary>
    public int QueryCount { get; }

    /// <summary>S, the number of scopes.</summary>
    public int ScopeCount { get; }

    /// <summary>A, the number of attention heads.</summary>
    public int HeadCount { get; }

    /// <summary>R, the number of gate groups: 1, or A if every head has gate weights of its own.</summary>
    public int GateGroupCount { get; }

    /// <summary>The visual tokens, [M, L] row-major: the same bits as those of <see cref="Resampler.Resample(
    /// ReadOnlySpan{float}, PatchGrid, CancellationToken)"/>.</summary>
    public ReadOnlySpan<float> Tokens => _tokens;

    /// <summary>Attention weights of one scope, head and frame, [M, N] row-major, where N counts the patches of the
    /// frame. The weights of each query sum to 1 over all frames, and are 0 outside its windows.</summary>
    /// <param name="scopeIndex">The scope.</param>
    /// <param name="headIndex">The head.</param>
    /// <param name="frameIndex">The frame; 0 for an image.</param>
    /// <exception cref="ArgumentOutOfRangeException">The scope, the head or the frame does not exist.</exception>
    public ReadOnlySpan<float> Attention(int scopeIndex, int headIndex, int frameIndex = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(scopeIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(scopeIndex, ScopeCount);
        ArgumentOutOfRangeException.ThrowIfNegative(headIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(headIndex, HeadCount);
        ArgumentOutOfRangeException.ThrowIfNegative(frameIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(frameIndex, _grids.Length);
        int count = QueryCount * (int)_grids[frameIndex].PatchCount;
        return _attention[scopeIndex][frameIndex].AsSpan(headIndex * count, count);
    }

    /// <summary>Gate weights, [M, S, R] row-major. For each query and group they sum to 1 over the scopes; with one
    /// scope they are 1.</summary>
    public ReadOnlySpan<float> Gate => _gate;
}
