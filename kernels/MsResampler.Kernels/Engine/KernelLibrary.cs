using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Gate;
using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Norm;

namespace MsResampler.Kernels.Engine;

/// <summary>The kernels that a model needs.</summary>
internal sealed class KernelLibrary
{
    private static readonly KernelVariant s_gemm64 = GemmOf<GemmTile64, LinearEpilogue>(blockCount: 4);
    private static readonly KernelVariant s_gemm128 = GemmOf<GemmTile128, LinearEpilogue>(blockCount: 1);
    private static readonly KernelVariant s_gemmGelu64 = GemmOf<GemmTile64, GeluEpilogue>(blockCount: 4);
    private static readonly KernelVariant s_plainNorm = RowsOf(typeof(LayerNormWarp<PlainRows>));
    private static readonly KernelVariant s_positionedNorm = RowsOf(typeof(LayerNormWarp<PositionedRows>));
    private static readonly KernelVariant s_bothNorm = RowsOf(typeof(LayerNormWarp<BothRows>));
    private static readonly KernelVariant s_attention32 = AttentionOf<HeadTile32>(blockCount: 3);
    private static readonly KernelVariant s_attention64 = AttentionOf<HeadTile64>(blockCount: 3);
    private static readonly KernelVariant s_attention128 = AttentionOf<HeadTile128>(blockCount: 2);
    private static readonly KernelVariant s_attentionMap = new(typeof(AttentionMapWarp), 32, 1);
    private static readonly KernelVariant s_fusionGate = RowsOf(typeof(FusionGateWarp));

    /// <param name="device">Where they run.</param>
    /// <param name="compiler">Compiles them.</param>
    /// <param name="headVectors">Groups of four channels of a head; decides the attention kernel.</param>
    public KernelLibrary(IDevice device, KernelCompiler compiler, int headVectors)
    {
        Gemm64 = Load(s_gemm64);
        Gemm128 = Load(s_gemm128);
        GemmGelu64 = Load(s_gemmGelu64);
        PlainNorm = Load(s_plainNorm);
        PositionedNorm = Load(s_positionedNorm);
        BothNorm = Load(s_bothNorm);
        (KernelVariant attention, AttentionSliceVectors) = AttentionFor(headVectors);
        Attention = Load(attention);
        AttentionGroupSize = attention.GroupSize;
        AttentionMap = Load(s_attentionMap);
        FusionGate = Load(s_fusionGate);

        IDeviceKernel Load(KernelVariant variant)
            => device.Load(variant.Compile(compiler, device.Properties.Architecture));
    }

    /// <summary>Every kernel in every configuration that some model needs.</summary>
    public static IReadOnlyList<KernelVariant> All { get; } =
    [
        s_gemm64, s_gemm128, s_gemmGelu64, s_plainNorm, s_positionedNorm, s_bothNorm, s_attention32, s_attention64,
        s_attention128, s_attentionMap, s_fusionGate,
    ];

    /// <summary>The kernels that a model needs.</summary>
    /// <param name="headVectors">Groups of four channels of its heads.</param>
    public static IEnumerable<KernelVariant> Of(int headVectors)
        => All.Except([s_attention32, s_attention64, s_attention128]).Append(AttentionFor(headVectors).Variant);

    public IDeviceKernel Gemm64 { get; }

    public IDeviceKernel Gemm128 { get; }

    public IDeviceKernel GemmGelu64 { get; }

    public IDeviceKernel PlainNorm { get; }

    public IDeviceKernel PositionedNorm { get; }

    public IDeviceKernel BothNorm { get; }

    public IDeviceKernel Attention { get; }

    /// <summary>Threads of an attention block.</summary>
    public int AttentionGroupSize { get; }

    /// <summary>Groups of four channels of a head that one attention block computes.</summary>
    public int AttentionSliceVectors { get; }

    public IDeviceKernel AttentionMap { get; }

    public IDeviceKernel FusionGate { get; }

    private static (KernelVariant Variant, int SliceVectors) AttentionFor(int headVectors) => headVectors switch
    {
        <= 8 => (s_attention32, ScopeAttentionTiled<HeadTile32>.SliceVectors),
        <= 16 => (s_attention64, ScopeAttentionTiled<HeadTile64>.SliceVectors),
        _ => (s_attention128, ScopeAttentionTiled<HeadTile128>.SliceVectors),
    };

    private static KernelVariant GemmOf<TTile, TEpilogue>(int blockCount)
        where TTile : struct, IGemmTile
        where TEpilogue : struct, IEpilogue
        => new(typeof(GemmTiled<TTile, TEpilogue>), GemmTiled<TTile, TEpilogue>.GroupSize, blockCount);

    private static KernelVariant AttentionOf<THead>(int blockCount)
        where THead : struct, IHeadTile
        => new(typeof(ScopeAttentionTiled<THead>), ScopeAttentionTiled<THead>.GroupSize, blockCount);

    /// <summary>A kernel whose warps work alone.</summary>
    private static KernelVariant RowsOf(Type kernel) => new(kernel, 32 * KernelLauncher.MaxWarps, 8);
}
