namespace MsResampler;

/// <summary>Finds the first feature that is NaN or infinite. The features are searched in chunks, which
/// different threads may take.</summary>
internal sealed unsafe class FeatureCheck
{
    private const int ChunkLength = 1 << 16;

    private float* _features;
    private int _count;
    private int _first;

    /// <summary>The number of chunks.</summary>
    public int ChunkCount => (int)(((long)_count + ChunkLength - 1) / ChunkLength);

    /// <summary>Index of the first feature found so far that is not finite, or −1.</summary>
    public int FirstIndex => _first == int.MaxValue ? -1 : _first;

    /// <summary>Searches on the threads of the thread pool.</summary>
    /// <param name="features">The features of all frames, one after another.</param>
    /// <param name="groups">The groups of the batch.</param>
    /// <param name="channelCount">C.</param>
    /// <exception cref="InvalidFeaturesException">A feature is NaN or infinite.</exception>
    public static void Run(ReadOnlySpan<float> features, FrameGroups groups, int channelCount)
    {
        FeatureCheck check = new();
        fixed (float* pointer = features)
        {
            check.Start(pointer, features.Length);
            Parallel.For(0, check.ChunkCount, check.SearchChunk);
        }

        if (check.FirstIndex >= 0)
            throw InvalidFeaturesException.At(features, check.FirstIndex, groups, channelCount);
    }

    /// <summary>Prepares to search other features. They must not move until the last chunk has been
    /// searched.</summary>
    public void Start(float* features, int count)
    {
        _features = features;
        _count = count;
        _first = int.MaxValue;
    }

    /// <summary>Searches one chunk.</summary>
    public void SearchChunk(int chunk)
    {
        int start = chunk * ChunkLength;
        ReadOnlySpan<float> features = new(_features + start, Math.Min(ChunkLength, _count - start));
        if (SpanMath.AreFinite(features))
            return;
        int index = start;
        while (float.IsFinite(_features[index]))
            index++;
        for (int seen = _first; index < seen;)
            seen = Interlocked.CompareExchange(ref _first, index, seen) is var found && found == seen ? index : found;
    }
}
