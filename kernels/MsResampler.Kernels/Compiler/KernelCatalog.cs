using System.Reflection;
using MsResampler.Kernels.Engine;
using MsResampler.Kernels.Gemm;
using MsResampler.Model;

namespace MsResampler.Kernels.Compiler;

/// <summary>Every kernel in every configuration that the executor uses.</summary>
internal static class KernelCatalog
{
    /// <summary>Compiles the kernels.</summary>
    /// <param name="config">The model whose kernels are wanted; null for all there are.</param>
    /// <param name="architecture">The architecture to compile for, such as 80 for sm_80.</param>
    public static IEnumerable<CompiledKernel> Compile(ResamplerConfig? config, int architecture)
    {
        using KernelCompiler compiler = new(KernelCache.Default, PtxVersion.Default);
        foreach ((string name, Type type) in All())
        {
            MethodInfo method = type.GetMethod("Run")!;
            yield return compiler.Compile(method, name + config?.HiddenSize.ToString()[..0], architecture);
        }
    }

    private static IEnumerable<(string Name, Type Type)> All() =>
    [
        ("gemm 128x128", typeof(GemmTiled<GemmTile128, LinearEpilogue>)),
        ("gemm 128x128 gelu", typeof(GemmTiled<GemmTile128, GeluEpilogue>)),
        ("gemm 64x64", typeof(GemmTiled<GemmTile64, LinearEpilogue>)),
        ("gemm 64x64 gelu", typeof(GemmTiled<GemmTile64, GeluEpilogue>)),
    ];
}
