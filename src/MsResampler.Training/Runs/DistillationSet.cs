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
    /// <exception cref="ArgumentException">The length does not match.</exception>
    public void ReadFeatures(int item, Span<float> destination)
    {
        int count = _grids[item].Rows * _grids[item].Columns * _channelCount;
        RequireLength("features", count, destination.Length);
        _features.Span.Slice(_starts[item], count).CopyTo(destination);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The length does not match.</exception>
    public void ReadTokens(int item, Span<float> destination)
    {
        RequireLength("tokens", _tokenCount, destination.Length);
        _tokens.Span.Slice(item * _tokenCount, _tokenCount).CopyTo(destination);
    }

    /// <summary>Checks that features and tokens have the sizes of a student.</summary>
    /// <exception cref="ArgumentException">They do not.</exception>
    internal void Require(int channelCount, int queryCount, int width)
    {
        if (_channelCount != channelCount)
            throw new ArgumentException($"features: expected {channelCount} channels for each patch, as the student " +
                $"reads, found {_channelCount}", nameof(channelCount));
        if (_tokenCount != queryCount * width)
            throw new ArgumentException($"tokens: expected {queryCount} x {width} values for each image, as the " +
                $"student gives, found {_tokenCount}", nameof(queryCount));
    }

    private static void RequireLength(string name, int count, int length)
    {
        if (length != count)
            throw new ArgumentException($"{name}: expected a destination for {count} values, found one for {length}",
                nameof(length));
    }
}
