using System.Numerics.Tensors;
using MsResampler.Model;

namespace MsResampler.Cpu.Integer;

/// <summary>Per-channel factors that move outliers between weights and activations: weights of channel k are multiplied
/// by the factor and activations divided by it, so that the product stays the same (SmoothQuant, arXiv
/// 2211.10438).</summary>
/// <remarks>
/// <para>All weights of an output channel share a scale, so a channel of the input with large weights costs the others
/// their precision. Its weights are made as small as usual. Its activations become outliers instead, for which
/// <see cref="Quantiser{TSimd,TVector}"/> adds a residual row.</para>
/// <para>A channel whose activations are large because the layer norm before has a large weight is divided by that
/// weight, as far as its weights stay within the limit. In trained models the weights of such a channel are usually
/// small, and then no residual is needed.</para>
/// <para>Factors are powers of two, so that they round nothing, and 1 unless a channel differs from the median
/// by more than <see cref="Limit"/>.</para>
/// </remarks>
internal static class Smoothing
{
    /// <summary>How many times the median a channel may be.</summary>
    public const float Limit = 8;

    /// <summary>The factors of matrices that multiply the same activations, one per column; empty if all are
    /// 1.</summary>
    /// <param name="matrices">The matrices.</param>
    /// <param name="magnitudes">The sizes of the activations of each channel, as far as they are known; empty for
    /// 1.</param>
    public static float[] Of(IEnumerable<WeightTensor> matrices, ReadOnlySpan<float> magnitudes = default)
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
        return float.IsFinite(factor) && factor > 0 && factor != 1 ? MathF.ScaleB(1, MathF.ILogB(factor)) : 1;
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
