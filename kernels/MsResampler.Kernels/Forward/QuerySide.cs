using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Forward;

/// <summary>Computes projected queries in float32 on the device. They depend on the patch grid only if queries see the
/// positions of their anchors.</summary>
internal sealed class QuerySide : IDisposable
{
    private readonly IDevice _device;
    private readonly KernelLibrary _kernels;
    private readonly ModelLayout _layout;
    private readonly TensorStore _tensors;
    private readonly DeviceView _queries;
    private readonly DeviceNorm _norm;
    private readonly DeviceLinear _projection;
    private readonly float[]? _storedPositions;
    private readonly int _querySetCount;

    /// <param name="device">The device.</param>
    /// <param name="kernels">Its kernels.</param>
    /// <param name="stream">Copies weights; the copies are complete when the constructor returns.</param>
    /// <param name="model">The model; not used afterwards.</param>
    public QuerySide(IDevice device, KernelLibrary kernels, IDeviceStream stream, ResamplerModel model)
    {
        _device = device;
        _kernels = kernels;
        _layout = new ModelLayout(model.Config, sizeof(float));
        _tensors = new TensorStore(device, stream);
        try
        {
            PaddedAxis width = _layout.Width;
            PaddedAxis heads = _layout.Heads;
            // Attention computes exponentials in base 2.
            float scale = (float)Base2.QueryScale(model.Config.HeadSize);
            IReadOnlyList<ScopeWeights> scopes = model.Weights.Scopes;
            _querySetCount = model.Config.ShareQueries ? 1 : scopes.Count;
            _queries = _tensors.Add(_querySetCount, scope => PadRows(scopes[scope].Queries.ToSingle()));
            _norm = _tensors.AddNorm(model.Weights.QueryNorm, width);
            _projection = new DeviceLinear(
                _tensors.Add(scopes.Count, scope => scopes[scope].QueryProjection.Weight.Pad(heads, width, scale)),
                _tensors.Add(scopes.Count, scope => scopes[scope].QueryProjection.Bias.Pad(heads, scale)));
            _storedPositions = model.Config.PositionEmbedding.Queries == PositionEmbeddingType.Stored
                ? model.Weights.PositionTable!.ToSingle() : null;
            _tensors.Complete();
        }
        catch
        {
            _tensors.Dispose();
            throw;
        }
    }

    private PaddedAxis Width => _layout.Width;

    private PositionEmbeddingType Type => _layout.Config.PositionEmbedding.Queries;

    /// <summary>Computes the projected queries of all scopes, [S, M, heads] in float32, for images of a grid. They are
    /// complete when the call returns.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="grid">The grid; it is ignored if queries do not depend on it.</param>
    /// <param name="destination">Receives them.</param>
    public void Project(IDeviceStream stream, PatchGrid grid, DeviceView destination)
    {
        int rowCount = _querySetCount * _layout.QueryCount;
        using TensorStore scratch = new(_device, stream);
        DeviceView normalised = DeviceView.Of(scratch.Allocate((long)rowCount * Width.PaddedSize * sizeof(float)));
        RowTable? positions = Type == PositionEmbeddingType.None ? null : PositionsOf(grid, rowCount, scratch);
        CommonKernels.Normalise(new Normalisation
        {
            Norm = _norm,
            Epsilon = _layout.Config.LayerNormEpsilon,
            Source = _queries,
            Plain = positions is null ? normalised : null,
            Positions = positions,
            Positioned = normalised,
            RowCount = rowCount,
            Width = Width,
        }, _device.Properties).Start(_kernels, stream);
        CommonKernels.Multiply(new Product
        {
            Count = _layout.ScopeCount,
            A = normalised,
            AStride = Width.PaddedSize,
            ABatchStride = _querySetCount == 1 ? 0 : _layout.QueryCount * Width.PaddedSize,
            Layer = _projection,
            C = destination,
            CRowStride = _layout.Heads.PaddedSize,
            CBatchStride = _layout.QueryCount * _layout.Heads.PaddedSize,
            RowCount = _layout.QueryCount,
            ColumnCount = _layout.Heads.PaddedSize,
            InnerSize = Width.PaddedSize,
        }, _device.Properties).Start(_kernels, stream);
        scratch.Complete();
    }

    /// <summary>Computes the projected queries and copies them to the host, [S, M, heads].</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="grid">The grid; it is ignored if queries do not depend on it.</param>
    public float[] Read(IDeviceStream stream, PatchGrid grid)
    {
        float[] queries = new float[_layout.ProjectedQueries];
        using TensorStore scratch = new(_device, stream);
        IDeviceMemory memory = scratch.Allocate((long)queries.Length * sizeof(float));
        Project(stream, grid, DeviceView.Of(memory));
        stream.Download(memory, MemoryMarshal.AsBytes(queries.AsSpan()));
        scratch.Complete();
        return queries;
    }

    /// <summary>Reads queries for a grid at any time: those that do not depend on the grid are kept, if offsets of
    /// frames need them, so that this object may be disposed.</summary>
    /// <param name="stream">The stream.</param>
    public Func<PatchGrid, IDeviceStream, float[]> ReaderOf(IDeviceStream stream)
    {
        if (_layout.HasAnchoredQueries)
            return (grid, gridStream) => Read(gridStream, grid);
        float[] kept = _layout.Config.PositionEmbedding.Frames == FrameEmbeddingType.None ? [] : Read(stream, default);
        return (_, _) => kept;
    }

    public void Dispose() => _tensors.Dispose();

    private float[] PadRows(float[] rows)
    {
        float[] result = new float[Width.PaddedSize * _layout.QueryCount];
        for (int row = 0; row < _layout.QueryCount; row++)
            rows.AsSpan(row * Width.Size, Width.Size).CopyTo(result.AsSpan(row * Width.PaddedSize));
        return result;
    }

    private RowTable PositionsOf(PatchGrid grid, int rowCount, TensorStore scratch)
    {
        int[] starts = new int[(rowCount + 3) & ~3];
        for (int row = 0; row < rowCount; row++)
            starts[row] = row % _layout.QueryCount * DeviceVector.Count(Width.PaddedSize, sizeof(float));
        return new RowTable(scratch.Add(PadRows(Positions(grid))), scratch.Add(starts), Width.PaddedSize, 0);
    }

    private float[] Positions(PatchGrid grid)
    {
        float[] positions = new float[_layout.QueryCount * Width.Size];
        PositionEmbedding.OfQueries(Type, _storedPositions, _layout.Config.QueryGrid, grid, Width.Size, positions);
        return positions;
    }
}
