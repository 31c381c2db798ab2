using BenchmarkDotNet.Attributes;

namespace MsResampler.Perf.Kernels;

/// <summary>The whole model on one image, on all processors, with every instruction set of this machine.</summary>
[InProcess]
[MemoryDiagnoser]
public class ModelBenchmarks
{
    private ModelEngine? _engine;
    private float[] _features = [];
    private float[] _tokens = [];
    private PatchGrid[] _grids = [];

    /// <summary>The instruction set.</summary>
    [ParamsSource(nameof(Variants))]
    public string Variant { get; set; } = "";

    /// <summary>The shape's name.</summary>
    [ParamsSource(nameof(Shapes))]
    public string Shape { get; set; } = "";

    /// <summary>Whether scopes share keys and values.</summary>
    [Params(false, true)]
    public bool ShareKeyValues { get; set; }

    public static IEnumerable<string> Variants => KernelBenchmarks.Variants;

    public static IEnumerable<string> Shapes => PeerShape.All.Select(shape => shape.Name);

    [GlobalSetup]
    public void Load()
    {
        PeerShape shape = PeerShape.All.Single(shape => shape.Name == Shape) with { ShareKeyValues = ShareKeyValues };
        PerfModel files = PerfModel.Of(shape);
        using ResamplerModel model = ResamplerModel.Open(files.Folder);
        _engine = CpuVariant.All.Single(variant => variant.Name == Variant).Create(model, new ResamplerOptions());
        _features = files.Features(1);
        _tokens = files.Tokens(1);
        _grids = files.Grids(1);
    }

    [GlobalCleanup]
    public void Close() => _engine?.Dispose();

    [Benchmark]
    public void Resample() => _engine!.Resample(_features, _grids, _tokens, CancellationToken.None);
}
