using BenchmarkDotNet.Attributes;

namespace MsResampler.Perf.Kernels;

/// <summary>The CPU kernels at the sizes of clip-l-336, on one thread, with every instruction set of this
/// machine.</summary>
[InProcess]
public class KernelBenchmarks
{
    private static readonly PeerShape s_shape = PeerShape.All[0];

    private ResamplerModel? _model;
    private Action _gemm = () => { };
    private Action _layerNorm = () => { };
    private Action _scopeAttention = () => { };
    private Action _gate = () => { };

    /// <summary>The instruction set.</summary>
    [ParamsSource(nameof(Variants))]
    public string Variant { get; set; } = "";

    public static IEnumerable<string> Variants
        => CpuVariant.All.Where(variant => variant.IsSupported).Select(variant => variant.Name);

    [GlobalSetup]
    public void Load()
    {
        KernelSet kernels = KernelSet.Of(CpuVariant.All.Single(variant => variant.Name == Variant));
        _model = ResamplerModel.Open(PerfModel.Of(s_shape).Folder);
        GemmShape shape = GemmShape.KeysAndValues;
        _gemm = kernels.Gemm(new float[shape.Rows * shape.Inner], new float[shape.Columns * shape.Inner],
            new float[shape.Rows * shape.Columns], shape, threadCount: 1);
        _layerNorm = kernels.LayerNorm((int)s_shape.Grid.PatchCount, s_shape.Width);
        _scopeAttention = kernels.ScopeAttention(_model, s_shape.Grid);
        _gate = kernels.Gate(_model);
    }

    [GlobalCleanup]
    public void Close() => _model?.Dispose();

    /// <summary>576×1024×2048: the key and value projections of one scope.</summary>
    [Benchmark]
    public void Gemm() => _gemm();

    /// <summary>The layer norm ln_kv of one image.</summary>
    [Benchmark]
    public void LayerNorm() => _layerNorm();

    /// <summary>Logits, softmax and weighted sums of the global scope of one image.</summary>
    [Benchmark]
    public void ScopeAttention() => _scopeAttention();

    /// <summary>Gate, weighted sum of the branches and ln_post of one image.</summary>
    [Benchmark]
    public void Gate() => _gate();
}
