using System.Reflection;
using MsResampler.Kernels.Attention;
using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Gate;
using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Norm;

namespace MsResampler.Kernels.Engine;

/// <summary>The kernels that a model needs.</summary>
internal sealed class KernelLibrary
{
    /// <param name="device">Where they run.</param>
    /// <param name="compiler">Compiles them.</param>
    /// <param name="headVectors">Groups of four channels of a head; decides the attention kernel.</param>
    public KernelLibrary(IDevice device, KernelCompiler compiler, int headVectors)
    {
        int architecture = device.Properties.Architecture;
        Gemm64 = Load(typeof(GemmTiled<GemmTile64, LinearEpilogue>));
        Gemm128 = Load(typeof(GemmTiled<GemmTile128, LinearEpilogue>));
        GemmGelu64 = Load(typeof(GemmTiled<GemmTile64, GeluEpilogue>));
        PlainNorm = Load(typeof(LayerNormWarp<PlainRows>));
        PositionedNorm = Load(typeof(LayerNormWarp<PositionedRows>));
        BothNorm = Load(typeof(LayerNormWarp<BothRows>));
        (Type attention, AttentionGroupSize, AttentionSliceVectors) = AttentionOf(headVectors);
        Attention = Load(attention);
        AttentionMap = Load(typeof(AttentionMapWarp));
        FusionGate = Load(typeof(FusionGateWarp));

        IDeviceKernel Load(Type type)
            => device.Load(compiler.Compile(EntryOf(type), NameOf(type), architecture));
    }

    /// <summary>Every kernel in every configuration that some model needs.</summary>
    public static IReadOnlyList<Type> All { get; } =
    [
        typeof(GemmTiled<GemmTile64, LinearEpilogue>), typeof(GemmTiled<GemmTile128, LinearEpilogue>),
        typeof(GemmTiled<GemmTile64, GeluEpilogue>), typeof(LayerNormWarp<PlainRows>),
        typeof(LayerNormWarp<PositionedRows>), typeof(LayerNormWarp<BothRows>),
        typeof(ScopeAttentionTiled<HeadTile32>), typeof(ScopeAttentionTiled<HeadTile64>),
        typeof(ScopeAttentionTiled<HeadTile128>), typeof(AttentionMapWarp), typeof(FusionGateWarp),
    ];

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

    /// <summary>A kernel's method.</summary>
    public static MethodInfo EntryOf(Type kernel) => kernel.GetMethod("Run", BindingFlags.Public | BindingFlags.Static)!;

    /// <summary>A kernel's name with its configuration, such as <c>GemmTiled GemmTile64 LinearEpilogue</c>.</summary>
    public static string NameOf(Type kernel)
        => string.Join(' ', kernel.GetGenericArguments().Select(type => type.Name).Prepend(kernel.Name.Split('`')[0]));

    private static (Type Kernel, int GroupSize, int SliceVectors) AttentionOf(int headVectors) => headVectors switch
    {
        <= 8 => (typeof(ScopeAttentionTiled<HeadTile32>), ScopeAttentionTiled<HeadTile32>.GroupSize,
            ScopeAttentionTiled<HeadTile32>.SliceVectors),
        <= 16 => (typeof(ScopeAttentionTiled<HeadTile64>), ScopeAttentionTiled<HeadTile64>.GroupSize,
            ScopeAttentionTiled<HeadTile64>.SliceVectors),
        _ => (typeof(ScopeAttentionTiled<HeadTile128>), ScopeAttentionTiled<HeadTile128>.GroupSize,
            ScopeAttentionTiled<HeadTile128>.SliceVectors),
    };
}
