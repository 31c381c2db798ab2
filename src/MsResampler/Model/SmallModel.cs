using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>A model in memory with everything that an image may need: scopes, positions and a gate. It is as small as
/// kernels of whole vectors allow, and its tokens have no use.</summary>
internal sealed class SmallModel : ITensorSource
{
    /// <summary>One scope for each way to form keys and values.</summary>
    private const int ScopeCount = 3;

    private const int Width = 128;
    private const int HeadCount = 16;
    private const int GateSize = 64;

    private readonly List<TensorInfo> _tensors = [];

    /// <summary>The patch grid of its images. The query grid is as large, so that tiles have many queries.</summary>
    public static PatchGrid Grid { get; } = new(8, 8);

    public static ResamplerConfig Config { get; } = new()
    {
        VisionHiddenSize = Width,
        HiddenSize = Width,
        AttentionHeadCount = HeadCount,
        QueryGrid = new QueryGrid(Grid.Rows, Grid.Columns),
        OutputSize = Width,
        Scopes = [.. Enumerable.Range(0, ScopeCount).Select(scope => new ScopeConfig
        {
            Name = $"{scope}",
            Prior = ScopePrior.Window,
            Window = new AxisPair(4, 4),
        })],
        ShareQueries = true,
        ShareKeyValues = false,
        PositionEmbedding = new PositionEmbeddingConfig(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.None),
        Gate = new GateConfig(GateSize, GateGranularity.Token),
        LayerNormEpsilon = 1e-6,
        TorchDType = WeightType.Float32,
    };

    public string SourcePath => "a small model in memory";

    public IReadOnlyList<TensorInfo> Tensors => _tensors;

    public IReadOnlyDictionary<string, TensorInfo> Aliases { get; } = new Dictionary<string, TensorInfo>();

    public IReadOnlyDictionary<string, string> Absent { get; } = new Dictionary<string, string>();

    public IReadOnlyList<string> Warnings => [];

    public static ResamplerModel Create()
    {
        SmallModel source = new();
        NormWeights norm = new(source.Vector(Width), source.Vector(Width));
        WeightTensor queries = source.Matrix(Config.QueryGrid.QueryCount, Width);
        LinearWeights projection = source.Linear(Width, Width);
        ScopeWeights scope = new(queries, projection, projection, projection, projection, LogSigma: null);
        ResamplerWeights weights = new(KeyValueInput: null, norm, norm, norm,
            [.. Enumerable.Repeat(scope, ScopeCount)],
            new GateWeights(source.Linear(GateSize, ScopeCount * Width), source.Linear(ScopeCount, GateSize)),
            projection, PositionTable: null);
        return ResamplerModel.FromWeights(Config, weights, source);
    }

    public void Read(TensorInfo tensor, long firstElement, Span<float> destination)
    {
        for (int index = 0; index < destination.Length; index++)
            destination[index] = Value(firstElement + index);
    }

    public void Read(TensorInfo tensor, long firstElement, Span<double> destination)
    {
        for (int index = 0; index < destination.Length; index++)
            destination[index] = Value(firstElement + index);
    }

    public void ReadBytes(TensorInfo tensor, long firstByte, Span<byte> destination)
        => throw new NotSupportedException("a small model in memory: expected reads of elements, found one of bytes");

    public void Dispose()
    {
    }

    /// <summary>Not constant, because constant rows are normalised by other code.</summary>
    private static float Value(long index) => ((index % 7) - 3) / 8f;

    private LinearWeights Linear(int rows, int columns) => new(Matrix(rows, columns), Vector(rows));

    private WeightTensor Vector(int count) => Matrix(count, 1);

    private WeightTensor Matrix(int rows, int columns)
    {
        long count = (long)rows * columns;
        TensorInfo tensor = new($"{_tensors.Count}", TensorType.F32, [rows, columns], count, firstByte: 0,
            sizeof(float) * count, fileIndex: 0);
        _tensors.Add(tensor);
        return new WeightTensor(this, tensor, rows, columns);
    }
}
