using System.Globalization;
using MsResampler.Safetensors;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Model;

/// <summary>Derives the configuration of a published resampler from its tensors and its layout.</summary>
internal static class PublishedResampler
{
    /// <summary>The width of an attention head. The number of heads in a published config.json is the language
    /// model's.</summary>
    public const int HeadSize = 128;

    /// <summary>ε of the layer normalisations.</summary>
    public const double Epsilon = 1e-6;

    private const int MaxExtent = 1 << 24;

    /// <summary>The configuration. Shapes other than those that sizes are taken from are not checked.</summary>
    /// <param name="match">The layout; all of its tensors exist.</param>
    /// <param name="names">The tensors.</param>
    /// <param name="source">The folder or file, for messages.</param>
    /// <exception cref="InvalidModelException">A size is invalid.</exception>
    public static ResamplerConfig Configure(LayoutMatch match, TensorNames names, string source)
    {
        string prefix = match.Prefix!;
        List<string> problems = [];
        (int queryCount, int width) = Extents("query", "[M, D]");
        (_, int outputSize) = Extents("proj", "[D, L]");
        int channelCount = names.Find(prefix + "kv_proj.weight") is null ? width
            : Extents("kv_proj.weight", "[D, C]").Columns;
        if (problems.Count == 0)
            CheckWidth(prefix + "query", width, match.Layout, problems);
        QueryGrid grid = SquarestGrid(queryCount);
        if (problems.Count == 0 && match.Layout.Positions.IsStored && grid.Rows != grid.Columns)
            problems.Add($"tensor {Quote(prefix + "query")}: expected a square number of queries, because positions " +
                $"are stored for a square grid, found {queryCount}");
        if (problems.Count > 0)
            throw new InvalidModelException(source, problems);
        return Configure(match.Layout, queryCount, width, channelCount, outputSize,
            names.Find(prefix + "attn.in_proj_weight")?.Type);

        (int Rows, int Columns) Extents(string role, string expected)
        {
            TensorInfo tensor = names.Find(prefix + role) ?? names.Find(LayoutRecognition.OuterPrefix(prefix) + role)!;
            if (tensor.Shape is [>= 1 and <= MaxExtent and var rows, >= 1 and <= MaxExtent and var columns])
                return ((int)rows, (int)columns);
            problems.Add($"tensor {Quote(tensor.Name)}: expected shape {expected} with extents from 1 to " +
                $"{MaxExtent.ToString(CultureInfo.InvariantCulture)}, found {TensorSize.Describe([.. tensor.Shape])}");
            return (1, 1);
        }
    }

    /// <summary>The configuration of a resampler of given sizes, whose weights have a type.</summary>
    public static ResamplerConfig Configure(CheckpointLayout layout, int queryCount, int width, int channelCount,
        int outputSize, TensorType? type) => new()
        {
            VisionHiddenSize = channelCount,
            HiddenSize = width,
            AttentionHeadCount = width / HeadSize,
            QueryGrid = SquarestGrid(queryCount),
            OutputSize = outputSize,
            Scopes = [new ScopeConfig { Name = "global", Prior = ScopePrior.None }],
            ShareQueries = true,
            ShareKeyValues = false,
            PositionEmbedding = layout.Positions,
            Gate = null,
            LayerNormEpsilon = Epsilon,
            TorchDType = type switch
            {
                TensorType.F16 => WeightType.Float16,
                TensorType.BF16 => WeightType.BFloat16,
                TensorType.F64 => WeightType.Float64,
                _ => WeightType.Float32,
            },
        };

    /// <summary>Records a problem if a width does not consist of whole heads.</summary>
    public static void CheckWidth(string tensor, int width, CheckpointLayout layout, List<string> problems)
    {
        if (width % HeadSize != 0)
            problems.Add($"tensor {Quote(tensor)}: expected a width D that is a multiple of {HeadSize}, as " +
                $"heads of layout {layout} have {HeadSize} channels, found {width}");
    }

    /// <summary>The grid of a number of queries whose sides differ least; it has no more rows than columns.</summary>
    private static QueryGrid SquarestGrid(int queryCount)
    {
        int rows = (int)Math.Sqrt(queryCount);
        while (queryCount % rows != 0)
            rows--;
        return new QueryGrid(rows, queryCount / rows);
    }
}
