using System.Numerics.Tensors;
using MsResampler.Model;

namespace MsResampler.Cpu.Integer;

/// <summary>Which products of a model use integers, and the kernel that computes them.</summary>
/// <param name="kernel">The kernel.</param>
/// <param name="int8Layers">The layers with 8 bits; the others have 16 bits.</param>
internal sealed class IntegerProducts(IntegerKernel kernel, ModelLayers int8Layers)
{
    private readonly Dictionary<ModelLayers, float[]> _smoothing = [];

    public IntegerKernel Kernel => kernel;

    /// <summary>Rounds and packs the matrix of a layer.</summary>
    /// <param name="linear">The matrix and its bias.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="weights">All weights of the model.</param>
    /// <returns>Null if the layer stays in float32.</returns>
    public IntegerMatrix? Pack(LinearWeights linear, ModelLayers layer, ResamplerWeights weights)
        => IntegerTypes.Of(int8Layers, layer, linear.Weight) is not { } type ? null
            : IntegerMatrix.FromWeights(linear.Weight, type, kernel,
                linear.Bias is { } bias ? bias.ToSingle() : default, SmoothingOf(linear, layer, weights));

    /// <summary>The factors of a matrix. Those of all scopes are the same, because they multiply the same rows, but
    /// every out_proj has its own.</summary>
    private float[] SmoothingOf(LinearWeights linear, ModelLayers layer, ResamplerWeights weights)
    {
        if (layer == ModelLayers.Outputs)
            return Smoothing.Of([linear.Weight]);
        if (!_smoothing.TryGetValue(layer, out float[]? factors))
        {
            IEnumerable<WeightTensor> matrices = weights.Matrices().Where(matrix => matrix.Layer == layer)
                .Select(matrix => matrix.Matrix);
            factors = Smoothing.Of(matrices, layer switch
            {
                // The bias of ln_kv is folded into later biases.
                ModelLayers.Keys or ModelLayers.Values => Sizes(weights.KeyValueNorm.Weight),
                ModelLayers.Projection => Sizes(weights.PostNorm.Weight, weights.PostNorm.Bias),
                _ => [],
            });
            _smoothing.Add(layer, factors);
        }

        return factors;
    }

    private static float[] Sizes(params WeightTensor[] norm)
    {
        float[] sizes = new float[norm[0].Count];
        foreach (WeightTensor values in norm)
            TensorPrimitives.Add(sizes, [.. values.ToSingle().Select(Math.Abs)], sizes);
        return sizes;
    }
}
