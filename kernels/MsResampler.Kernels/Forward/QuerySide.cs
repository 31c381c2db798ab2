using MsResampler.Kernels.Device;
using MsResampler.Kernels.Forward.Float32;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Kernels.Forward;

/// <summary>Learned queries and their projections on the device: what is needed to make a grid's projected queries.
/// </summary>
internal sealed class QuerySide : IDisposable
{
    private readonly IDevice _device;
    private readonly ModelLayout _layout;
    private readonly TensorStore _tensors;
    private readonly DeviceView _queries;
    private readonly DeviceNorm _norm;
    private readonly DeviceView _weight;
    private readonly DeviceView _bias;
    private readonly float[]? _storedPositions;
    private readonly int _querySetCount;

    public QuerySide(IDevice device, IDeviceStream stream, ModelLayout layout, ResamplerWeights weights)
    {
        _device = device;
        _layout = layout;
        _tensors = new TensorStore(device, stream);
        try
        {
            PaddedAxis width = layout.Width;
            PaddedAxis heads = layout.Heads;
            // Scaled so that attention works in base 2.
            float scale = (float)Base2.QueryScale(layout.Config.HeadSize);
            IReadOnlyList<ScopeWeights> scopes = weights.Scopes;
            _querySetCount = layout.Config.ShareQueries ? 1 : scopes.Count;
            _queries = _tensors.Add(_querySetCount, scope => PadRows(scopes[scope].Queries.ToSingle()));
            _norm = new DeviceNorm(_tensors.Add(Float32Weights.Pad(weights.QueryNorm.Weight, width)),
                _tensors.Add(Float32Weights.Pad(weights.QueryNorm.Bias, width)));
            _weight = _tensors.Add(scopes.Count,
                scope => Float32Weights.Pad(scopes[scope].QueryProjection.Weight, heads, width, scale));
            _bias = _tensors.Add(scopes.Count,
                scope => Float32Weights.Pad(scopes[scope].QueryProjection.Bias, heads, scale));
            _storedPositions = layout.Config.PositionEmbedding.Queries ? weights.PositionTable?.ToSingle() : null;
        }
        catch
        {
            _tensors.Dispose();
            throw;
        }
    }

    /// <summary>Computes the projected queries of all scopes, [S][M, heads], for images of a grid; complete when the
    /// call returns.</summary>
    /// <param name="launcher">Whose stream is used.</param>
    /// <param name="grid">The grid; it matters where queries see their anchors alone.</param>
    /// <param name="destination">Receives them.</param>
    public void Project(Float32Launcher launcher, PatchGrid grid, DeviceView destination)
    {
        PaddedAxis width = _layout.Width;
        int rowCount = _querySetCount * _layout.QueryCount;
        using TensorStore scratch = new(_device, launcher.Stream);
        DeviceView normal = DeviceView.OfVectors(scratch.Allocate((long)rowCount * width.Vectors));
        if (_layout.Config.PositionEmbedding.Queries)
        {
            int[] starts = new int[(rowCount + 3) & ~3];
            for (int row = 0; row < rowCount; row++)
                starts[row] = row % _layout.QueryCount * width.Vectors;
            RowPositions positions = new(scratch.Add(PadRows(Positions(grid))),
                scratch.Add(starts));
            launcher.Normalise(_norm, _layout.Config.LayerNormEpsilon, _queries, width.Vectors, null, positions, normal,
                rowCount, width);
        }
        else
        {
            launcher.Normalise(_norm, _layout.Config.LayerNormEpsilon, _queries, width.Vectors, normal, null, default,
                rowCount, width);
        }

        launcher.Multiply(new Product
        {
            Count = _layout.ScopeCount,
            A = normal,
            AStride = width.Vectors,
            ABatchStride = _querySetCount == 1 ? 0 : _layout.QueryCount * width.Vectors,
            Weight = _weight,
            Bias = _bias,
            C = destination,
            CRowStride = _layout.Heads.Vectors,
            CBatchStride = _layout.QueryCount * _layout.Heads.Vectors,
            RowCount = _layout.QueryCount,
            ColumnVectors = _layout.Heads.Vectors,
            InnerVectors = width.Vectors,
        });
        launcher.Stream.Synchronize();
    }

    public void Dispose() => _tensors.Dispose();

    private float[] PadRows(float[] rows)
    {
        PaddedAxis width = _layout.Width;
        float[] result = new float[4 * width.Vectors * _layout.QueryCount];
        for (int row = 0; row < _layout.QueryCount; row++)
            rows.AsSpan(row * width.Size, width.Size).CopyTo(result.AsSpan(4 * row * width.Vectors));
        return result;
    }

    private float[] Positions(PatchGrid grid)
    {
        int width = _layout.Width.Size;
        float[] positions = new float[_layout.QueryCount * width];
        PositionEmbedding.OfQueries(_storedPositions, _layout.Config.QueryGrid, grid, width, positions);
        return positions;
    }
}
