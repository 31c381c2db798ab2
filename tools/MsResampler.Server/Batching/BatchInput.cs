using System.Buffers;
using System.Runtime.InteropServices;

namespace MsResampler.Server.Batching;

/// <summary>The features and frames of a batch in one piece, copied from its slices and pictures.</summary>
internal sealed class BatchInput : IDisposable
{
    private readonly List<PatchGrid> _grids = [];
    private readonly List<int> _temporalIds = [];
    private readonly List<int> _frameCounts = [];
    private readonly PooledFloats _features;
    private bool _areImages = true;
    private int _length;

    /// <param name="pool">The pool of the memory.</param>
    /// <param name="length">The number of values of all features.</param>
    public BatchInput(ArrayPool<float> pool, int length) => _features = new PooledFloats(pool, length);

    /// <summary>The number of groups that were added.</summary>
    public int GroupCount => _frameCounts.Count;

    /// <summary>The number of values that were added.</summary>
    public int Length => _length;

    /// <summary>The features of all groups.</summary>
    public ReadOnlySpan<float> Features => _features.Span[.._length];

    /// <summary>All groups, valid until more are added.</summary>
    public FrameGroups Groups => _areImages ? new FrameGroups(CollectionsMarshal.AsSpan(_grids))
        : new FrameGroups(CollectionsMarshal.AsSpan(_grids), CollectionsMarshal.AsSpan(_temporalIds),
            CollectionsMarshal.AsSpan(_frameCounts));

    /// <summary>Adds groups.</summary>
    public void Add(ReadOnlySpan<float> features, FrameGroups groups)
    {
        features.CopyTo(_features.Span[_length..]);
        _length += features.Length;
        _areImages &= groups.AreImages;
        for (int group = 0; group < groups.GroupCount; group++)
            _frameCounts.Add(groups.FrameCountOf(group));
        for (int frame = 0; frame < groups.FrameCount; frame++)
        {
            _grids.Add(groups.Grids[frame]);
            _temporalIds.Add(groups.TemporalIdOf(frame));
        }
    }

    public void Dispose() => _features.Dispose();
}
