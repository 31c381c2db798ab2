using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Gate;
using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Forward.Float32;

/// <summary>The kernels of models in float32, and the products of those in tf32.</summary>
internal static class Float32Kernels
{
    private static readonly KernelVariant s_attention32 = AttentionOf<HeadTile32>(blockCount: 3);
    private static readonly KernelVariant s_attention64 = AttentionOf<HeadTile64>(blockCount: 3);
    private static readonly KernelVariant s_attention128 = AttentionOf<HeadTile128>(blockCount: 2);
    private static readonly KernelVariant[] s_tensorGemm = [.. GemmShape.Mma.Select(shape =>
        shape.KernelFor<MmaTensorFloat32, LinearEpilogue, GemmMmaFloat32>())];
    private static readonly KernelVariant[] s_tensorGemmGelu = [.. GemmShape.Mma.Select(shape =>
        shape.KernelFor<MmaTensorFloat32, GeluEpilogue, GemmMmaFloat32>())];

    public static KernelVariant AttentionMap { get; } = new(typeof(AttentionMapWarp), 32, 1);

    /// <summary>Merges the frames of groups.</summary>
    public static KernelVariant Merge { get; } = new(typeof(MergeFrames<Float4, Float32Vector>),
        MergeFrames<Float4, Float32Vector>.BlockSize, 8);

    public static KernelVariant FusionGate { get; } = RowWarps.VariantOf(typeof(FusionGateWarp));

    /// <summary>Every kernel.</summary>
    public static IReadOnlyList<KernelVariant> All { get; } =
    [
        .. CommonKernels.All, s_attention32, s_attention64, s_attention128, Merge, AttentionMap, FusionGate,
        .. s_tensorGemm, .. s_tensorGemmGelu,
    ];

    /// <summary>Those without tensor cores.</summary>
    public static IReadOnlyList<KernelVariant> Plain { get; } = [.. All.Except([.. s_tensorGemm, .. s_tensorGemmGelu])];

    /// <summary>The kernels that a model needs.</summary>
    /// <param name="config">The model.</param>
    /// <param name="usesTensorCores">Whether its products are in tf32.</param>
    public static IEnumerable<KernelVariant> Of(ResamplerConfig config, bool usesTensorCores)
        => (usesTensorCores ? All : Plain).Except([s_attention32, s_attention64, s_attention128])
            .Append(AttentionFor(new PaddedAxis(config.HeadSize).PaddedSegment, out _));

    /// <summary>The attention kernel of a model.</summary>
    /// <param name="headSize">Channels of its heads, padded to a multiple of 4.</param>
    /// <param name="sliceSize">Channels that one block computes.</param>
    public static KernelVariant AttentionFor(int headSize, out int sliceSize)
    {
        (KernelVariant variant, int sliceVectors) = headSize switch
        {
            <= 32 => (s_attention32, ScopeAttentionTiled<HeadTile32>.SliceVectors),
            <= 64 => (s_attention64, ScopeAttentionTiled<HeadTile64>.SliceVectors),
            _ => (s_attention128, ScopeAttentionTiled<HeadTile128>.SliceVectors),
        };
        sliceSize = 4 * sliceVectors;
        return variant;
    }

    /// <summary>The kernel of matrix products in tf32 in the shapes of <see cref="GemmShape.Mma"/>.</summary>
    public static KernelVariant[] TensorGemm(bool hasGelu) => hasGelu ? s_tensorGemmGelu : s_tensorGemm;

    private static KernelVariant AttentionOf<THead>(int blockCount)
        where THead : struct, IHeadTile
        => new(typeof(ScopeAttentionTiled<THead>), ScopeAttentionTiled<THead>.BlockSize, blockCount);
}
