using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Gate;
using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Norm;
using MsResampler.Kernels.Tiles;
using MsResampler.Model;

namespace MsResampler.Kernels.Forward.Float32;

/// <summary>The kernels of models in float32, and the products of those in tf32.</summary>
internal static class Float32Kernels
{
    private static readonly KernelVariant s_attention32 = AttentionOf<HeadTile32>(blockCount: 3);
    private static readonly KernelVariant s_attention64 = AttentionOf<HeadTile64>(blockCount: 3);
    private static readonly KernelVariant s_attention128 = AttentionOf<HeadTile128>(blockCount: 2);
    private static readonly KernelVariant[] s_tensorGemm = [.. GemmMmaShape.All.Select(shape =>
        shape.KernelFor<MmaTensorFloat32, LinearEpilogue, GemmMmaFloat32>())];
    private static readonly KernelVariant[] s_tensorGemmGelu = [.. GemmMmaShape.All.Select(shape =>
        shape.KernelFor<MmaTensorFloat32, GeluEpilogue, GemmMmaFloat32>())];

    public static KernelVariant Gemm64 { get; } = GemmOf<GemmTile64, LinearEpilogue>(blockCount: 4);

    public static KernelVariant Gemm128 { get; } = GemmOf<GemmTile128, LinearEpilogue>(blockCount: 1);

    public static KernelVariant GemmGelu64 { get; } = GemmOf<GemmTile64, GeluEpilogue>(blockCount: 4);

    public static KernelVariant PlainNorm { get; } = RowsOf(typeof(LayerNormWarp<PlainRows>));

    public static KernelVariant PositionedNorm { get; } = RowsOf(typeof(LayerNormWarp<PositionedRows>));

    public static KernelVariant BothNorm { get; } = RowsOf(typeof(LayerNormWarp<BothRows>));

    public static KernelVariant AttentionMap { get; } = new(typeof(AttentionMapWarp), 32, 1);

    public static KernelVariant FusionGate { get; } = RowsOf(typeof(FusionGateWarp));

    /// <summary>Every kernel.</summary>
    public static IReadOnlyList<KernelVariant> All { get; } =
    [
        Gemm64, Gemm128, GemmGelu64, PlainNorm, PositionedNorm, BothNorm, s_attention32, s_attention64, s_attention128,
        AttentionMap, FusionGate, .. s_tensorGemm, .. s_tensorGemmGelu,
    ];

    /// <summary>Those of models in float32.</summary>
    public static IReadOnlyList<KernelVariant> Plain { get; } = [.. All.Except([.. s_tensorGemm, .. s_tensorGemmGelu])];

    /// <summary>The kernels that a model needs.</summary>
    /// <param name="config">The model.</param>
    /// <param name="usesTensorCores">Whether its products are made in tf32.</param>
    public static IEnumerable<KernelVariant> Of(ResamplerConfig config, bool usesTensorCores)
        => (usesTensorCores ? All : Plain).Except([s_attention32, s_attention64, s_attention128])
            .Append(AttentionFor(new PaddedAxis(config.HeadSize).SegmentVectors, out _));

    /// <summary>The attention kernel of a model.</summary>
    /// <param name="headVectors">Groups of four channels of its heads.</param>
    /// <param name="sliceVectors">Groups of four that one block computes.</param>
    public static KernelVariant AttentionFor(int headVectors, out int sliceVectors)
    {
        (KernelVariant variant, sliceVectors) = headVectors switch
        {
            <= 8 => (s_attention32, ScopeAttentionTiled<HeadTile32>.SliceVectors),
            <= 16 => (s_attention64, ScopeAttentionTiled<HeadTile64>.SliceVectors),
            _ => (s_attention128, ScopeAttentionTiled<HeadTile128>.SliceVectors),
        };
        return variant;
    }

    /// <summary>The product of a shape in tf32.</summary>
    public static KernelVariant TensorGemm(GemmMmaShape shape, bool hasGelu)
        => (hasGelu ? s_tensorGemmGelu : s_tensorGemm)[shape.Index];

    private static KernelVariant GemmOf<TTile, TEpilogue>(int blockCount)
        where TTile : struct, IGemmTile
        where TEpilogue : struct, IEpilogue
        => new(typeof(GemmTiled<TTile, TEpilogue>), GemmTiled<TTile, TEpilogue>.GroupSize, blockCount);

    private static KernelVariant AttentionOf<THead>(int blockCount)
        where THead : struct, IHeadTile
        => new(typeof(ScopeAttentionTiled<THead>), ScopeAttentionTiled<THead>.GroupSize, blockCount);

    /// <summary>A kernel whose warps work alone.</summary>
    private static KernelVariant RowsOf(Type kernel) => new(kernel, 32 * KernelLibrary.MaxWarps, 8);
}
