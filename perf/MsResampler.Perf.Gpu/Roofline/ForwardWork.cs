using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Device;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Perf.Roofline;

/// <summary>The launches of a forward pass in their order, and what each has to do, from the model's extents and the
/// grid's plan alone.</summary>
internal sealed class ForwardWork
{
    /// <summary>Columns of which an input projection stores the sum of squares.</summary>
    private const int SquareColumns = 32;

    /// <summary>Operations of a layer normalisation for each element: sum, difference, square, sum, scale, weight,
    /// bias.</summary>
    private const double NormFlops = 8;

    /// <summary>Sizes of heads that the attention kernel for tensor cores is compiled for.</summary>
    private static readonly int[] s_headTiles = [32, 64, 80, 96, 128];

    private readonly ResamplerConfig _config;
    private readonly bool _hasKeyValueInput;
    private readonly ExecutionPlan _plan;
    private readonly int _elementBytes;
    private readonly int _groupSize;
    private readonly int _rows;
    private readonly int _tokens;

    private ForwardWork(ResamplerConfig config, bool hasKeyValueInput, ExecutionPlan plan, int imageCount,
        int elementBytes)
    {
        _config = config;
        _hasKeyValueInput = hasKeyValueInput;
        _plan = plan;
        _elementBytes = elementBytes;
        _groupSize = DeviceView.VectorBytes / elementBytes;
        _rows = checked((int)(plan.Grid.PatchCount * imageCount));
        _tokens = checked(config.QueryGrid.QueryCount * imageCount);
        ImageCount = imageCount;
    }

    private int ImageCount { get; }

    private int Scopes => _config.Scopes.Count;

    private int KeyScopes => _config.ShareKeyValues ? 1 : Scopes;

    private int Channels => Pad(_config.VisionHiddenSize);

    private int Width => Pad(_config.HiddenSize);

    /// <summary>The heads of one scope.</summary>
    private int Heads => _config.AttentionHeadCount * Pad(_config.HeadSize);

    private int GateHidden => PadSingle(_config.Gate?.HiddenSize ?? 0);

    private int GateCount => Scopes * _config.GateGroupCount;

    private int Output => PadSingle(_config.OutputSize);

    private double Squares => _hasKeyValueInput ? (Width + SquareColumns - 1) / SquareColumns * sizeof(float) : 0;

    /// <summary>The launches in float16 or bfloat16.</summary>
    /// <param name="config">The model.</param>
    /// <param name="hasKeyValueInput">Whether it has a kv_proj.</param>
    /// <param name="plan">The plan of every image's grid, made with <see cref="ScopeSchedule.Costs"/>.</param>
    /// <param name="imageCount">Images of the call.</param>
    public static IReadOnlyList<LaunchWork> Half(ResamplerConfig config, bool hasKeyValueInput, ExecutionPlan plan,
        int imageCount)
        => new ForwardWork(config, hasKeyValueInput, plan, imageCount, sizeof(ushort)).Half();

    /// <summary>The launches in float32 or TensorFloat32.</summary>
    /// <param name="config">The model.</param>
    /// <param name="hasKeyValueInput">Whether it has a kv_proj.</param>
    /// <param name="plan">The plan of every image's grid, made for the float32 attention kernel.</param>
    /// <param name="imageCount">Images of the call.</param>
    public static IReadOnlyList<LaunchWork> Single(ResamplerConfig config, bool hasKeyValueInput, ExecutionPlan plan,
        int imageCount)
        => new ForwardWork(config, hasKeyValueInput, plan, imageCount, sizeof(float)).Single();

    private static int PadSingle(int size) => (size + 3) / 4 * 4;

    private List<LaunchWork> Half()
    {
        double positions = _config.PositionEmbedding.Keys
            ? (double)_plan.Grid.PatchCount * KeyScopes * Heads * sizeof(float) : 0;
        List<LaunchWork> launches = [];
        launches.Add(_hasKeyValueInput
            ? Multiply("kv_proj", new(1, _rows, Width, Channels), Elements((double)_rows * Channels),
                Elements((double)_rows * Width) + (_rows * Squares))
            : Normalise("ln_kv", _rows, Channels));
        launches.Add(Multiply("k_proj, v_proj", new(1, _rows, 2 * KeyScopes * Heads, Width),
            Elements((double)_rows * Width) + (_rows * Squares), Elements(2.0 * _rows * KeyScopes * Heads), positions));
        LaunchWork attention = Attend(AttentionUnitFlops());
        launches.Add(attention with
        {
            // Beside its result the logarithm of each row's sum.
            WrittenBytes = attention.WrittenBytes
                + ((double)_tokens * Scopes * _config.AttentionHeadCount * sizeof(float)),
        });
        launches.Add(Multiply("out_proj", new(Scopes, _tokens, Width, Heads),
            Elements((double)_tokens * Scopes * Heads), Elements((double)_tokens * Scopes * Width)));
        if (Scopes > 1)
        {
            launches.Add(Multiply("gate fc1", new(Scopes, _tokens, GateHidden, Width),
                Elements((double)_tokens * Scopes * Width), (double)_tokens * Scopes * GateHidden * sizeof(float)));
            launches.Add(Fuse(hiddenCount: Scopes));
        }
        else
        {
            launches.Add(Normalise("ln_post", _tokens, Width));
        }

        launches.Add(Multiply("proj", new(1, _tokens, Output, Width), Elements((double)_tokens * Width),
            (double)_tokens * Output * sizeof(float)));
        return launches;
    }

    private List<LaunchWork> Single()
    {
        bool hasPositions = _config.PositionEmbedding.Keys;
        double z = Elements((double)_rows * Width);
        double keys = Elements((double)_rows * KeyScopes * Heads);
        List<LaunchWork> launches = [];
        if (_hasKeyValueInput)
        {
            launches.Add(
                Multiply("kv_proj", new(1, _rows, Width, Channels), Elements((double)_rows * Channels), z));
        }

        launches.Add(new LaunchWork("ln_kv", NormFlops * _rows * Width, (2.0 * Width * sizeof(float))
            + (hasPositions ? Elements((double)_plan.Grid.PatchCount * Width) : 0), z, hasPositions ? 2 * z : z));
        launches.Add(Multiply("k_proj", new(1, _rows, KeyScopes * Heads, Width), z, keys));
        launches.Add(Multiply("v_proj", new(1, _rows, KeyScopes * Heads, Width), z, keys));
        launches.Add(Attend(_plan.Scopes.Sum(scope => scope.AttentionFlops)));
        launches.Add(Multiply("out_proj", new(Scopes, _tokens, Width, Heads),
            Elements((double)_tokens * Scopes * Heads), Elements((double)_tokens * Scopes * Width)));
        if (Scopes > 1)
        {
            launches.Add(Multiply("gate fc1", new(1, _tokens, GateHidden, Scopes * Width),
                Elements((double)_tokens * Scopes * Width), Elements((double)_tokens * GateHidden)));
            launches.Add(Fuse(hiddenCount: 1));
        }
        else
        {
            launches.Add(Normalise("ln_post", _tokens, Width));
        }

        launches.Add(Multiply("proj", new(1, _tokens, Output, Width), Elements((double)_tokens * Width),
            Elements((double)_tokens * Output)));
        return launches;
    }

    private int Pad(int size) => (size + _groupSize - 1) / _groupSize * _groupSize;

    private double Elements(double count) => count * _elementBytes;

    private LaunchWork Multiply(string step, ProductExtent product, double readBytes, double writtenBytes,
        double tableBytes = 0)
    {
        double weights = Elements((double)product.Count * product.Columns * product.Inner)
            + ((double)product.Count * product.Columns * sizeof(float));
        return new LaunchWork(step, product.Flops, weights + tableBytes, readBytes, writtenBytes)
        {
            Product = product,
            HasProducts = true,
        };
    }

    private LaunchWork Normalise(string step, int rowCount, int width) => new(step, NormFlops * rowCount * width,
        2.0 * width * sizeof(float), Elements((double)rowCount * width), Elements((double)rowCount * width));

    /// <summary>Attention: every key and value that some query sees comes from memory once.</summary>
    private LaunchWork Attend(double imageFlops) => new("attention", imageFlops * ImageCount,
        Elements((double)_config.QueryGrid.QueryCount * Scopes * Heads), Elements(2.0 * _rows * KeyScopes * Heads),
        Elements((double)_tokens * Scopes * Heads))
    {
        HasProducts = true,
    };

    /// <summary>What tensor cores execute for one image: whole units of queries and keys, whole tiles of
    /// channels.</summary>
    private double AttentionUnitFlops()
    {
        // Learned sigmas change no block.
        ScopeSchedule schedule = new(_config, _plan, new double[]?[Scopes]);
        int headTile = s_headTiles.First(size => size >= _config.HeadSize);
        return 4.0 * schedule.UnitCount * ScopeSchedule.UnitSize * ScopeSchedule.UnitSize * headTile
            * _config.AttentionHeadCount;
    }

    /// <summary>The gate's second layer, the weighted sum of the branches and ln_post.</summary>
    private LaunchWork Fuse(int hiddenCount)
    {
        double branches = (double)_tokens * Scopes * Width;
        return new LaunchWork("fusion gate",
            (2.0 * _tokens * GateHidden * GateCount) + (2 * branches) + (NormFlops * _tokens * Width),
            sizeof(float) * (((double)GateCount * GateHidden) + GateHidden + GateCount + (2.0 * Width)),
            ((double)hiddenCount * _tokens * GateHidden * sizeof(float)) + Elements(branches),
            Elements((double)_tokens * Width) + ((double)_tokens * GateCount * sizeof(float)));
    }
}
