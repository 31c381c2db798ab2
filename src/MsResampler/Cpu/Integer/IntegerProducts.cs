using MsResampler.Model;

namespace MsResampler.Cpu.Integer;

/// <summary>Which products of a model use integers, and the kernel that computes them.</summary>
/// <param name="kernel">The kernel.</param>
/// <param name="int8Layers">The layers with 8 bits; the others have 16 bits.</param>
/// <param name="weights">All weights of the model.</param>
internal sealed class IntegerProducts(IntegerKernel kernel, ModelLayers int8Layers, ResamplerWeights weights)
{
    private readonly Smoothing _smoothing = new(weights);

    public IntegerKernel Kernel => kernel;

    /// <summary>The type of both products of attention: of queries and keys, and of attention weights and
    /// values.</summary>
    public IntegerType AttentionType { get; } = IntegerTypes.OfAttention(int8Layers);

    /// <summary>Rounds and packs the matrix of a layer.</summary>
    /// <param name="linear">The matrix and its bias.</param>
    /// <param name="layer">The layer.</param>
    /// <returns>Null if the layer stays in float32.</returns>
    public IntegerMatrix? Pack(LinearWeights linear, ModelLayers layer)
        => IntegerTypes.Of(int8Layers, layer, linear.Weight) is not { } type ? null
            : IntegerMatrix.FromWeights(linear.Weight, type, kernel,
                linear.Bias is { } bias ? bias.ToSingle() : default, _smoothing.Of(linear.Weight, layer));
}
