using MsResampler.Model;

namespace MsResampler.Cpu.Integer;

/// <summary>Which products of a model use integers, and the kernel that computes them.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="Int8Layers">The layers with 8 bits; the others have 16 bits.</param>
internal sealed record IntegerProducts(IntegerKernel Kernel, ModelLayers Int8Layers)
{
    /// <summary>The type of the weights of a layer; null if the layer stays in float32 because a product would have
    /// more terms than a 32-bit sum holds.</summary>
    public IntegerType? TypeOf(ModelLayers layer, int innerCount) => innerCount > IntegerTypes.MaxInnerCount ? null
        : Int8Layers.HasFlag(layer) ? IntegerType.Int8 : IntegerType.Int16;
}
