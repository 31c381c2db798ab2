namespace MsResampler.Training;

/// <summary>Features of images and the tokens of a teacher in memory.</summary>
public sealed class DistillationSet : IDistillationData
{
    private static readonly int[] s_noTime = [-1];

    private readonly PatchGrid[] _grids;
    private readonly int[] _starts;
    private readonly ReadOnlyMemory<float> _features;
    private readonly ReadOnlyMemory<float> _tokens;
    private readonly int _channelCount;
    private readonly int _tokenCount;

    /// <summary>Describes the images. Values are not copied.</summary>
    /// <param name="features">The features of all images one after another, each [H·W, C] row-major.</param>
    /// <param name="grids">One patch grid per image.</param>
    /// <param name="tokens">The tokens of the teacher, [B, M, L] row-major.</param>
    /// <exception cref="ArgumentException">There is no image, or a length is no multiple.</exception>
    public DistillationSet(ReadOnlyMemory<float> features, IReadOnlyList<PatchGrid> grids, ReadOnlyMemory<float> tokens)
    {
        ArgumentNullException.ThrowIfNull(grids);
        _grids = [.. grids];
        long patchCount = _grids.Sum(grid => (long)grid.Rows * grid.Columns);
        if (patchCount == 0 || features.Length == 0 || features.Length % patchCount != 0)
            throw new ArgumentException($"features: expected the same number of channels for each of {patchCount} " +
                $"patches, found {features.Length} values", nameof(features));
        if (tokens.Length == 0 || tokens.Length % _grids.Length != 0)
            throw new ArgumentException($"tokens: expected the same number of values for each of {_grids.Length} " +
                $"images, found {tokens.Length}", nameof(tokens));
        _channelCount = (int)(features.Length / patchCount);
        _tokenCount = tokens.Length / _grids.Length;
        (_features, _tokens) = (features, tokens);
        _starts = new int[_grids.Length];
        for (int item = 1; item < _grids.Length; item++)
            _starts[item] = _starts[item - 1] + (_grids[item - 1].Rows * _grids[item - 1].Columns * _channelCount);
    }

    /// <inheritdoc/>
    public int ItemCount => _grids.Length;

    /// <inheritdoc/>
    public ReadOnlySpan<PatchGrid> GridsOf(int item) => _grids.AsSpan(item, 1);

    /// <inheritdoc/>
    public ReadOnlySpan<int> TemporalIdsOf(int item) => s_noTime;

    /// <inheritdoc/>
    public void ReadFeatures(int item, Span<float> destination)
        => _features.Span.Slice(_starts[item], _grids[item].Rows * _grids[item].Columns * _channelCount)
            .CopyTo(destination);

    /// <inheritdoc/>
    public void ReadTokens(int item, Span<float> destination)
        => _tokens.Span.Slice(item * _tokenCount, _tokenCount).CopyTo(destination);
}
