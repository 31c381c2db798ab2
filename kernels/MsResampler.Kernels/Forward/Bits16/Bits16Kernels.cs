using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Gate;
using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Norm;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Forward.Bits16;

/// <summary>The kernels of models in one type of 16 bits.</summary>
internal sealed class Bits16Kernels
{
    /// <summary>The largest head size that the attention kernel supports.</summary>
    private const int MaxHeadSize = 128;

    /// <summary>The first architecture with the tensor-core instructions that the kernels use.</summary>
    public const int MinArchitecture = 80;

    /// <summary>The head sizes that the attention kernel is compiled for.</summary>
    private static readonly int[] s_headTiles = [32, 64, 80, 96, MaxHeadSize];

    private readonly KernelVariant[] _attentions;

    private Bits16Kernels(KernelVariant[] attentions) => _attentions = attentions;

    /// <summary>float16.</summary>
    public static Bits16Kernels Float16 { get; } = Of<MmaFloat16, GemmMmaFloat16, Float16Vector>();

    /// <summary>bfloat16.</summary>
    public static Bits16Kernels BFloat16 { get; } = Of<MmaBFloat16, GemmMmaBFloat16, BFloat16Vector>();

    /// <summary>Products that also store sums of squares of their rows; the index is <see cref="GemmShape.Index"/>.
    /// </summary>
    public required KernelVariant[] SquaresGemm { get; init; }

    /// <summary>Products of rows that the kernel scales, with a table added.</summary>
    public required KernelVariant[] ScaledGemm { get; init; }

    /// <summary>Products stored in 16 bits.</summary>
    public required KernelVariant[] Gemm { get; init; }

    /// <summary>Products stored in float32.</summary>
    public required KernelVariant[] Float32Gemm { get; init; }

    public required KernelVariant Norm { get; init; }

    public required KernelVariant FusionGate { get; init; }

    /// <summary>Scales features in float32 and rounds them.</summary>
    public required KernelVariant Conversion { get; init; }

    /// <summary>Scales features in the 16-bit type.</summary>
    public required KernelVariant Scaling { get; init; }

    /// <summary>Merges the frames of groups.</summary>
    public required KernelVariant Merge { get; init; }

    public required KernelVariant AttentionMap { get; init; }

    /// <summary>Every kernel.</summary>
    public IEnumerable<KernelVariant> All => [.. OfAnyHeadSize, .. _attentions];

    /// <summary>Every kernel, and those that all precisions share.</summary>
    public IEnumerable<KernelVariant> WithCommon => [.. All, .. CommonKernels.ForBits16];

    private IEnumerable<KernelVariant> OfAnyHeadSize
        => [.. SquaresGemm, .. ScaledGemm, .. Gemm, .. Float32Gemm, Norm, FusionGate, Conversion, Scaling, Merge,
            AttentionMap];

    /// <summary>The kernels that a model needs, including those that all precisions share.</summary>
    public IEnumerable<KernelVariant> Of(ResamplerConfig config)
        => [.. OfAnyHeadSize, AttentionFor(config.HeadSize), .. CommonKernels.ForBits16];

    /// <summary>Why these kernels do not support a model; null if they do.</summary>
    public static string? WhyNot(ResamplerConfig config)
    {
        if (config.HeadSize > MaxHeadSize)
            return $"attention supports a head size of up to {MaxHeadSize}, and the model's is {config.HeadSize}";
        if (config.Gate is not { } gate)
            return null;
        const int MaxWidth = FusionGateBits16<MmaFloat16>.MaxWidth;
        const int MaxHidden = 4 * FusionGateBits16<MmaFloat16>.MaxHiddenVectors;
        const int MaxGates = FusionGateBits16<MmaFloat16>.MaxGateCount;
        if (config.HiddenSize > MaxWidth)
            return $"the gate supports a hidden_size of up to {MaxWidth}, and the model's is {config.HiddenSize}";
        if (gate.HiddenSize > MaxHidden)
            return $"the gate supports a gate.hidden_size of up to {MaxHidden}, and the model's is {gate.HiddenSize}";
        int gates = config.Scopes.Count * config.GateGroupCount;
        return gates <= MaxGates ? null
            : $"the gate supports up to {MaxGates} weights per token, and the model has {gates}";
    }

    /// <summary>The attention kernel of a model.</summary>
    /// <param name="headSize">Channels of its heads, at most 128.</param>
    public KernelVariant AttentionFor(int headSize)
        => _attentions[Array.IndexOf(s_headTiles, HeadTileFor(headSize))];

    /// <summary>Channels of a head as the attention kernel multiplies them.</summary>
    /// <param name="headSize">Channels of the model's heads, at most 128.</param>
    public static int HeadTileFor(int headSize) => s_headTiles.First(size => size >= headSize);

    private static Bits16Kernels Of<TElement, TOutput, TVector>()
        where TElement : struct, IBits16Element
        where TOutput : struct, IGemmMmaOutput
        where TVector : struct, IRowVector<UInt4>
        => new([Attention<MmaHeadTile32, TElement>(), Attention<MmaHeadTile64, TElement>(),
            Attention<MmaHeadTile80, TElement>(), Attention<MmaHeadTile96, TElement>(),
            Attention<MmaHeadTile128, TElement>()])
        {
            SquaresGemm = GemmOf<TElement, SquaresEpilogue, TOutput>(),
            ScaledGemm = GemmOf<TElement, ScaledEpilogue, TOutput>(),
            Gemm = GemmOf<TElement, LinearEpilogue, TOutput>(),
            Float32Gemm = GemmOf<TElement, LinearEpilogue, GemmMmaFloat32>(),
            Norm = RowsOf(typeof(LayerNormBits16<TElement>)),
            FusionGate = new KernelVariant(typeof(FusionGateBits16<TElement>),
                FusionGateBits16<TElement>.MaxBlockSize, 1, MinArchitecture),
            Conversion = RowsOf(typeof(ConvertRows<Float32Rows, float, TElement>)),
            Scaling = RowsOf(typeof(ConvertRows<Bits16Rows<TElement>, ushort, TElement>)),
            Merge = new KernelVariant(typeof(MergeFrames<UInt4, TVector>),
                MergeFrames<UInt4, TVector>.BlockSize, 8, MinArchitecture),
            AttentionMap = new KernelVariant(typeof(AttentionMapMma<TElement>), 32, 1, MinArchitecture),
        };

    private static KernelVariant[] GemmOf<TElement, TEpilogue, TOutput>()
        where TElement : struct, IMmaElement
        where TEpilogue : struct, IGemmMmaEpilogue
        where TOutput : struct, IGemmMmaOutput
        => [.. GemmShape.All.Select(shape => shape.KernelFor<TElement, TEpilogue, TOutput>())];

    private static KernelVariant RowsOf(Type kernel) => RowWarps.VariantOf(kernel, MinArchitecture);

    private static KernelVariant Attention<THead, TElement>()
        where THead : struct, IMmaHeadTile
        where TElement : struct, IBits16Element
        => new(typeof(ScopeAttentionMma<THead, TElement>), ScopeAttentionMma<THead, TElement>.BlockSize,
            THead.BlockCount, MinArchitecture);
}
