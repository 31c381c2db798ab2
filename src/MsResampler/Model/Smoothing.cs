using System.Numerics.Tensors;

namespace MsResampler.Model;

/// <summary>Per-channel factors that move outliers between weights and activations: weights of channel k are multiplied
/// by the factor and activations divided by it, so that the product stays the same (SmoothQuant, arXiv
/// 2211.10438).</summary>
/// <remarks>
/// <para>All weights of an output channel share a scale, so a channel of the input with large weights costs the others
/// their precision. Its weights are made as small as usual. Its activations become outliers instead, for which the
/// backend adds a residual row.</para>
/// <para>A channel whose activations are large because the layer norm before has a large weight is divided by that
/// weight, as far as its weights stay within the limit. In trained models the weights of such a channel are usually
/// small, and then no residual is needed.</para>
/// <para>Factors are powers of two, so that they round nothing, and 1 unless a channel differs from the median
/// by more than <see cref="Limit"/>.</para>
/// </remarks>
/// <param name="weights">All weights of the model.</param>
internal sealed class Smoothing(ResamplerWeights weights)
{
    /// <summary>How many times the median a channel may be.</summary>
    private const float Limit = 8;

    // 1 over a larger power of two is a denormal, and 1 over a smaller one may be infinite.
    private const int MaxExponent = 126;

    private readonly Dictionary<ModelLayers, float[]> _shared = [];

    /// <summary>The factors of a matrix, one per column; empty if all are 1. Those of all scopes are the same, because
    /// they multiply the same rows, but every out_proj has its own.</summary>
    /// <param name="matrix">The matrix.</param>
    /// <param name="layer">Its layer.</param>
    public float[] Of(WeightTensor matrix, ModelLayers layer)
    {
        if (layer == ModelLayers.Outputs)
            return Of([matrix], []);
        if (!_shared.TryGetValue(layer, out float[]? factors))
        {
            IEnumerable<WeightTensor> matrices = weights.Matrices().Where(other => other.Layer == layer)
                .Select(other => other.Matrix);
            factors = Of(matrices, layer switch
            {
                // The bias of ln_kv is folded into later biases.
                ModelLayers.Keys or ModelLayers.Values => Sizes(weights.KeyValueNorm.Weight),
                ModelLayers.Projection => Sizes(weights.PostNorm.Weight, weights.PostNorm.Bias),
                _ => [],
            });
            _shared.Add(layer, factors);
        }

        return factors;
    }

    /// <summary>The integers as which a matrix can be stored: those of <see cref="IntegerTypes.Of"/>, or null if it has
    /// factors, which a file cannot hold.</summary>
    public IntegerType? StorableAs(ModelLayers int8Layers, ModelLayers layer, WeightTensor matrix)
        => IntegerTypes.Of(int8Layers, layer, matrix) is { } type && Of(matrix, layer).Length == 0 ? type : null;

    /// <summary>The factors of matrices that multiply the same activations.</summary>
    /// <param name="matrices">The matrices.</param>
    /// <param name="magnitudes">The sizes of the activations of each channel, as far as they are known; empty for
    /// 1.</param>
    private static float[] Of(IEnumerable<WeightTensor> matrices, ReadOnlySpan<float> magnitudes)
    {
        float[] largest = [];
        foreach (WeightTensor matrix in matrices)
        {
            // The integers of a stored matrix are final.
            if (matrix.StoredIntegers is not null)
                return [];
            if (largest.Length == 0)
                largest = new float[matrix.Columns];
            AddLargest(matrix, largest);
        }

        float weightMedian = Median(largest);
        float activationMedian = magnitudes.IsEmpty ? 1 : Median(magnitudes);
        float[] factors = new float[largest.Length];
        for (int channel = 0; channel < factors.Length; channel++)
            factors[channel] = FactorOf(largest[channel] / weightMedian,
                magnitudes.IsEmpty ? 1 : magnitudes[channel] / activationMedian);
        return factors.AsSpan().ContainsAnyExcept(1) ? factors : [];
    }

    /// <param name="weight">The largest weight of a channel, relative to the median.</param>
    /// <param name="activation">The size of its activations, relative to the median.</param>
    private static float FactorOf(float weight, float activation)
    {
        float factor = activation > Limit ? Math.Max(1, Math.Min(activation, Limit / weight)) : 1;
        if (weight * factor > Limit)
            factor = 1 / weight;
        // Also 1 for a median of 0, where the quotients are NaN or infinite.
        return float.IsFinite(factor) && factor > 0 && factor != 1
            ? MathF.ScaleB(1, Math.Clamp(MathF.ILogB(factor), -MaxExponent, MaxExponent)) : 1;
    }

    private static float[] Sizes(params WeightTensor[] norm)
    {
        float[] sizes = new float[norm[0].Count];
        foreach (WeightTensor values in norm)
            TensorPrimitives.Add(sizes, [.. values.ToSingle().Select(Math.Abs)], sizes);
        return sizes;
    }

    private static void AddLargest(WeightTensor matrix, float[] largest)
    {
        object merge = new();
        const int BlockElementCount = 1 << 18;
        int stored = matrix.IsStoredTransposed ? matrix.Rows : matrix.Columns;
        int count = matrix.IsStoredTransposed ? matrix.Columns : matrix.Rows;
        int rowsPerBlock = Math.Clamp(BlockElementCount / stored, 1, count);
        ParallelReading.For<float>((count + rowsPerBlock - 1) / rowsPerBlock, rowsPerBlock * stored, (block, values) =>
        {
            int first = block * rowsPerBlock;
            int rows = Math.Min(rowsPerBlock, count - first);
            Span<float> part = values.AsSpan(0, rows * stored);
            matrix.ReadStored((long)first * stored, part);
            TensorPrimitives.Abs(part, part);
            if (matrix.IsStoredTransposed)
            {
                for (int row = 0; row < rows; row++)
                    largest[first + row] = Math.Max(largest[first + row],
                        TensorPrimitives.Max<float>(part.Slice(row * stored, stored)));
                return;
            }

            for (int row = 1; row < rows; row++)
                TensorPrimitives.Max(part[..stored], part.Slice(row * stored, stored), part[..stored]);
            lock (merge)
                TensorPrimitives.Max(largest, part[..stored], largest);
        });
    }

    private static float Median(ReadOnlySpan<float> values)
    {
        float[] sorted = values.ToArray();
        Array.Sort(sorted);
        return sorted[sorted.Length / 2];
    }
}
