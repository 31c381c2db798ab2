using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Attention;

namespace MsResampler.Kernels.Forward;

/// <summary>Computes the offsets of frames. They consist of what attention leaves out because it drops out of the
/// softmax of one image: the bias of a Gaussian at its nearest patch; the product of queries with the bias of keys,
/// which differs between frames if queries depend on the grid; and the product of queries with the keys' position in
/// time.</summary>
/// <remarks>The products of weights are computed in float32 on the device, those with queries in double precision on
/// the host.</remarks>
internal sealed class FrameOffsets
{
    private readonly IDevice _device;
    private readonly KernelLibrary _kernels;
    private readonly ModelLayout _layout;
    private readonly double[]?[] _logSigmas;
    private readonly FrameOperands _operands;

    /// <param name="device">The device.</param>
    /// <param name="kernels">Its kernels.</param>
    /// <param name="config">The model.</param>
    /// <param name="logSigmas">Learned log sigma of each scope, or null.</param>
    /// <param name="operands">The operands.</param>
    public FrameOffsets(IDevice device, KernelLibrary kernels, ResamplerConfig config, double[]?[] logSigmas,
        FrameOperands operands)
    {
        _device = device;
        _kernels = kernels;
        _layout = new ModelLayout(config, sizeof(float));
        _logSigmas = logSigmas;
        _operands = operands;
    }

    private ResamplerConfig Config => _layout.Config;

    private bool HasTime => Config.PositionEmbedding.Frames == FrameEmbeddingType.SinCos1D;

    /// <summary>Offsets of a frame, [M, S, A].</summary>
    private int Count => _layout.QueryCount * _layout.ScopeCount * _layout.Heads.SegmentCount;

    /// <summary>The size of the offsets of a frame in an arena.</summary>
    private long ByteCount => DeviceView.Align((long)Count * Unsafe.SizeOf<FrameOffset>());

    /// <summary>What the offsets of the frames of groups of several frames depend on; empty if all of them are
    /// 0.</summary>
    public HashSet<FrameKey> KeysOf(FrameGroups groups)
    {
        HashSet<FrameKey> keys = [];
        int frame = 0;
        for (int group = 0; group < groups.GroupCount; group++)
        {
            int count = groups.FrameCountOf(group);
            for (int index = frame; count > 1 && index < frame + count; index++)
            {
                FrameKey key = KeyOf(groups, index);
                if (HasOffsets(key))
                    keys.Add(key);
            }

            frame += count;
        }

        return keys;
    }

    /// <summary>For each frame of the groups of several frames, the index of its offsets in an arena; −1 if they are
    /// 0.</summary>
    public int[] StartsOf(FrameGroups groups, GridArena arena)
    {
        List<int> starts = [];
        int frame = 0;
        for (int group = 0; group < groups.GroupCount; group++)
        {
            int count = groups.FrameCountOf(group);
            for (int index = frame; count > 1 && index < frame + count; index++)
            {
                FrameKey key = KeyOf(groups, index);
                starts.Add(HasOffsets(key)
                    ? checked((int)(arena.Offsets[key] / Unsafe.SizeOf<FrameOffset>())) : -1);
            }

            frame += count;
        }

        return [.. starts];
    }

    /// <summary>Places the offsets of frames in an arena.</summary>
    /// <param name="keys">The frames.</param>
    /// <param name="start">The first free byte of the arena; receives that behind the offsets.</param>
    /// <returns>The byte offset of the offsets of each frame.</returns>
    public Dictionary<FrameKey, long> Lay(IEnumerable<FrameKey> keys, ref long start)
    {
        Dictionary<FrameKey, long> places = [];
        foreach (FrameKey key in keys)
        {
            places.Add(key, start);
            start += ByteCount;
        }

        return places;
    }

    /// <summary>Computes offsets and copies them to an arena. The copies are complete when the call returns.</summary>
    /// <param name="arena">The memory of the arena.</param>
    /// <param name="places">The byte offset of the offsets of each frame.</param>
    /// <param name="stream">Computes products and copies.</param>
    public void Fill(IDeviceMemory arena, Dictionary<FrameKey, long> places, IDeviceStream stream)
    {
        int[] times = [.. places.Keys.Select(key => key.TemporalId).Where(id => id >= 0).Distinct()];
        float[] timeKeys = TimeKeys(times, stream);
        int width = _layout.KeyScopeCount * _operands.KeyHeads.PaddedSize;
        foreach (IGrouping<PatchGrid, KeyValuePair<FrameKey, long>> frames in places.GroupBy(place => place.Key.Grid))
        {
            double[] gaussian = Gaussian(frames.Key);
            float[] queries = !HasTime && !_layout.HasAnchoredQueries ? [] : _operands.QueriesOf(frames.Key, stream);
            foreach ((FrameKey key, long place) in frames)
            {
                double[] offsets = [.. gaussian];
                if (_layout.HasAnchoredQueries)
                    AddProducts(offsets, queries, _operands.KeyBias);
                if (key.TemporalId >= 0)
                {
                    AddProducts(offsets, queries, Array.ConvertAll(
                        timeKeys[(Array.IndexOf(times, key.TemporalId) * width)..][..width], value => (double)value));
                }

                FrameOffset[] rounded = Array.ConvertAll(offsets, FrameOffset.Of);
                stream.Upload(MemoryMarshal.AsBytes<FrameOffset>(rounded), arena, place);
            }
        }
    }

    private FrameKey KeyOf(FrameGroups groups, int frame)
        => new(groups.Grids[frame], HasTime ? groups.TemporalIdOf(frame) : -1);

    private bool HasOffsets(FrameKey key) => key.TemporalId >= 0 || _layout.HasAnchoredQueries
        || Config.Scopes.Any(scope => scope.Prior == ScopePrior.Gaussian);

    /// <summary>The products of positions in time with k_proj, [ids, key scopes, heads].</summary>
    private float[] TimeKeys(int[] temporalIds, IDeviceStream stream)
    {
        if (temporalIds.Length == 0)
            return [];
        PaddedAxis width = _layout.Width;
        int columnCount = _layout.KeyScopeCount * _operands.KeyHeads.PaddedSize;
        float[] times = new float[temporalIds.Length * width.PaddedSize];
        for (int index = 0; index < temporalIds.Length; index++)
            PositionEmbedding.OfFrame(temporalIds[index], times.AsSpan(index * width.PaddedSize, width.Size));
        float[] keys = new float[temporalIds.Length * columnCount];
        using TensorStore scratch = new(_device, stream);
        IDeviceMemory product = scratch.Allocate((long)keys.Length * sizeof(float));
        CommonKernels.Multiply(new Product
        {
            A = scratch.Add(times),
            AStride = width.PaddedSize,
            Layer = _operands.KeyLayer,
            C = DeviceView.Of(product),
            CRowStride = columnCount,
            RowCount = temporalIds.Length,
            ColumnCount = columnCount,
            InnerSize = width.PaddedSize,
        }, _device.Properties).Start(_kernels, stream);
        stream.Download(product, MemoryMarshal.AsBytes(keys.AsSpan()));
        scratch.Complete();
        return keys;
    }

    /// <summary>The biases of the patches that are nearest to the anchors on a grid, [M, S, A].</summary>
    private double[] Gaussian(PatchGrid grid)
    {
        QueryGrid queries = Config.QueryGrid;
        double[] offsets = new double[Count];
        for (int scope = 0; scope < _layout.ScopeCount; scope++)
        {
            ScopeConfig config = Config.Scopes[scope];
            ScopeBias bias = new(config, ScopeWindows.Resolve(config, queries, grid), queries, _logSigmas[scope]);
            for (int query = 0; !bias.IsMask && query < queries.QueryCount; query++)
            {
                (int row, int column) = Math.DivRem(query, queries.Columns);
                for (int head = 0; head < Config.AttentionHeadCount; head++)
                    offsets[IndexOf(query, scope, head)] = bias.RowOffset(row, head) + bias.ColumnOffset(column, head);
            }
        }

        return offsets;
    }

    /// <summary>Adds the products of queries and a key of every scope, head by head.</summary>
    /// <param name="offsets">[M, S, A].</param>
    /// <param name="queries">[S, M, heads].</param>
    /// <param name="keys">[key scopes, heads].</param>
    private void AddProducts(double[] offsets, float[] queries, double[] keys)
    {
        PaddedAxis heads = _layout.Heads;
        PaddedAxis keyHeads = _operands.KeyHeads;
        for (int scope = 0; scope < _layout.ScopeCount; scope++)
        {
            int keyScope = Config.ShareKeyValues ? 0 : scope;
            for (int query = 0; query < _layout.QueryCount; query++)
            {
                for (int head = 0; head < heads.SegmentCount; head++)
                {
                    ReadOnlySpan<float> q = queries.AsSpan((((scope * _layout.QueryCount) + query) * heads.PaddedSize)
                        + (head * heads.PaddedSegment), heads.SegmentSize);
                    ReadOnlySpan<double> k = keys.AsSpan((keyScope * keyHeads.PaddedSize)
                        + (head * keyHeads.PaddedSegment), heads.SegmentSize);
                    double sum = 0;
                    for (int channel = 0; channel < q.Length; channel++)
                        sum += q[channel] * k[channel];
                    offsets[IndexOf(query, scope, head)] += sum;
                }
            }
        }
    }

    private int IndexOf(int query, int scope, int head)
        => (((query * _layout.ScopeCount) + scope) * _layout.Heads.SegmentCount) + head;
}
