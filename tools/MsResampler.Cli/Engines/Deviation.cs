using MsResampler.Cpu.Integer;

namespace MsResampler.Cli.Engines;

/// <summary>The error of tokens compared with the reference.</summary>
/// <param name="RelativeL2">‖x − y‖ / ‖y‖.</param>
/// <param name="MaxAbsolute">The largest |x − y|.</param>
internal readonly record struct Deviation(double RelativeL2, double MaxAbsolute)
{
    /// <summary>The largest allowed relative error of the CPU backend.</summary>
    public const double CpuBound = 3e-6;

    /// <summary>The largest allowed relative error of a GPU in float32. It is larger than on the CPU, because a GPU
    /// adds the terms of a product one after another.</summary>
    public const double CudaBound = 5e-6;

    /// <summary>The largest allowed relative error of a backend. For types smaller than float32 it is twice the bound
    /// for a reference that uses rounded weights and features: here the reference uses the exact ones, and their
    /// rounding adds as much error as the rounding of activations.</summary>
    public static double BoundOf(BackendChoice backend, Precision precision) => precision switch
    {
        Precision.TensorFloat32 => 2e-3,
        Precision.Float16 => 3e-3,
        Precision.BFloat16 => 2e-2,
        _ => backend == BackendChoice.Cuda ? CudaBound : CpuBound,
    };

    /// <summary>The largest allowed relative error of integer products.</summary>
    /// <remarks>The largest value of a row is about 3.5 standard deviations, so rounding to steps of that value divided
    /// by the level gives an error of 3.5/√12, about 1, divided by the level. Weights and activations together have √2
    /// of it, and 2 leaves a margin. Errors of layers are independent and add in squares. The two products of attention
    /// count as one layer. Measured on random models of widths from 8 to 1,024: at most 0.7 of this bound.</remarks>
    /// <param name="weights">The weights of the model.</param>
    /// <param name="int8Layers">The layers with 8 bits.</param>
    public static double Int8BoundOf(ResamplerWeights weights, ModelLayers int8Layers)
    {
        double sum = 0;
        foreach ((ModelLayers layer, WeightTensor matrix) in weights.Matrices().DistinctBy(matrix => matrix.Layer))
            if (IntegerTypes.Of(int8Layers, layer, matrix) is { } type)
                sum += Math.Pow(2.0 / type.MaxLevel(matrix.Columns), 2);
        sum += Math.Pow(2.0 / IntegerTypes.OfAttention(int8Layers).MaxLevel(IntegerHeads.KeyBlock), 2);
        return CpuBound + Math.Sqrt(sum);
    }

    /// <summary>Compares tokens with exact values. A NaN makes both measures NaN.</summary>
    public static Deviation Between(ReadOnlySpan<float> tokens, ReadOnlySpan<double> exact)
    {
        double squaredError = 0, squaredNorm = 0, max = 0;
        for (int index = 0; index < exact.Length; index++)
        {
            double error = tokens[index] - exact[index];
            squaredError += error * error;
            squaredNorm += exact[index] * exact[index];
            max = Math.Max(max, Math.Abs(error));
        }

        return new Deviation(squaredError == 0 ? 0 : Math.Sqrt(squaredError / squaredNorm), max);
    }

    /// <summary>Whether the relative error is at most a bound; false for NaN.</summary>
    public bool IsWithin(double bound) => RelativeL2 <= bound;
}
