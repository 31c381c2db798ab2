using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Engine.SinglePrecision;
using MsResampler.Kernels.Gate;
using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Norm;
using MsResampler.Kernels.Tiles;
using MsResampler.Model;

namespace MsResampler.Kernels.Engine.HalfPrecision;

/// <summary>The kernels of models in one type of 16 bits.</summary>
internal sealed class HalfKernels
{
    /// <summary>Channels of the widest head that attention takes.</summary>
    public const int MaxHeadSize = 128;

    /// <summary>Channels of the widest token that the gate takes.</summary>
    public const int MaxHiddenSize = 8192;

    /// <summary>The first architecture with the instructions of tensor cores that kernels use.</summary>
    public const int MinArchitecture = 80;

    private readonly KernelVariant[] _attentions;

    private HalfKernels(KernelVariant[] attentions) => _attentions = attentions;

    /// <summary>float16.</summary>
    public static HalfKernels Float16 { get; } = Of<MmaFloat16, GemmMmaFloat16>();

    /// <summary>bfloat16.</summary>
    public static HalfKernels BFloat16 { get; } = Of<MmaBFloat16, GemmMmaBFloat16>();

    /// <summary>Products whose rows' sums of squares are stored beside them; by <see cref="GemmMmaShape.Index"/>.
    /// </summary>
    public required KernelVariant[] SquaresGemm { get; init; }

    /// <summary>Products of rows that are to be scaled, with a table added.</summary>
    public required KernelVariant[] ScaledGemm { get; init; }

    /// <summary>Products stored in 16 bits.</summary>
    public required KernelVariant[] Gemm { get; init; }

    /// <summary>Products stored in float32.</summary>
    public required KernelVariant[] SingleGemm { get; init; }

    public required KernelVariant Norm { get; init; }

    public required KernelVariant FusionGate { get; init; }

    public required KernelVariant Conversion { get; init; }

    public required KernelVariant AttentionMap { get; init; }

    /// <summary>Every kernel.</summary>
    public IEnumerable<KernelVariant> All => [.. Common, .. _attentions];

    private IEnumerable<KernelVariant> Common
        => [.. SquaresGemm, .. ScaledGemm, .. Gemm, .. SingleGemm, Norm, FusionGate, Conversion, AttentionMap];

    /// <summary>The kernels that a model needs, those of its query side and of positions in float32 included.</summary>
    public IEnumerable<KernelVariant> Of(ResamplerConfig config) =>
    [
        .. Common, AttentionFor(config.HeadSize), SingleKernels.Gemm64, SingleKernels.Gemm128, SingleKernels.PlainNorm,
        SingleKernels.PositionedNorm,
    ];

    /// <summary>The attention kernel of a model.</summary>
    /// <param name="headSize">Channels of its heads, at most <see cref="MaxHeadSize"/>.</param>
    public KernelVariant AttentionFor(int headSize) => _attentions[headSize switch
    {
        <= 32 => 0,
        <= 64 => 1,
        <= 80 => 2,
        <= 96 => 3,
        _ => 4,
    }];

    private static HalfKernels Of<TElement, TOutput>()
        where TElement : struct, IHalfElement
        where TOutput : struct, IGemmMmaOutput
        => new([Attention<MmaHeadTile32, TElement>(), Attention<MmaHeadTile64, TElement>(), Attention<MmaHeadTile80, TElement>(),
            Attention<MmaHeadTile96, TElement>(), Attention<MmaHeadTile128, TElement>()])
        {
            SquaresGemm = GemmOf<TElement, SquaresEpilogue, TOutput>(),
            ScaledGemm = GemmOf<TElement, ScaledEpilogue, TOutput>(),
            Gemm = GemmOf<TElement, LinearEpilogue, TOutput>(),
            SingleGemm = GemmOf<TElement, LinearEpilogue, GemmMmaFloat32>(),
            Norm = new KernelVariant(typeof(LayerNormHalf<TElement>), LayerNormHalf<TElement>.GroupSize, 8, MinArchitecture),
            FusionGate = new KernelVariant(typeof(FusionGateHalf<TElement>), FusionGateHalf<TElement>.GroupSize, 4, MinArchitecture),
            Conversion = new KernelVariant(typeof(ConvertRows<TElement>), ConvertRows<TElement>.GroupSize, 8, MinArchitecture),
            AttentionMap = new KernelVariant(typeof(AttentionMapMma<TElement>), 32, 1, MinArchitecture),
        };

    private static KernelVariant[] GemmOf<TElement, TEpilogue, TOutput>()
        where TElement : struct, IMmaElement
        where TEpilogue : struct, IGemmMmaEpilogue
        where TOutput : struct, IGemmMmaOutput
        => [.. GemmMmaShape.All.Select(shape => shape.KernelFor<TElement, TEpilogue, TOutput>())];

    private static KernelVariant Attention<THead, TElement>()
        where THead : struct, IMmaHeadTile
        where TElement : struct, IHalfElement
        => new(typeof(ScopeAttentionMma<THead, TElement>), ScopeAttentionMma<THead, TElement>.GroupSize,
            THead.BlockCount, MinArchitecture);
}
