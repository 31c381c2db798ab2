using System.Numerics;

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

    // Measured errors are about 1e-2 for a layer with 8 bits, and 1e-3 for all layers with 16 bits together.
    private const double Int8LayerBound = 1.5e-2;
    private const double Int16Bound = 3e-3;

    /// <summary>The largest allowed relative error of a backend. For types smaller than float32 it is twice the bound
    /// for a reference that uses rounded weights and features: here the reference uses the exact ones, and their
    /// rounding adds as much error as the rounding of activations.</summary>
    /// <param name="backend">The backend.</param>
    /// <param name="precision">The precision; not <see cref="Precision.Auto"/>.</param>
    /// <param name="int8Layers">The layers of the model that have 8 bits in <see cref="Precision.Int8"/>.</param>
    public static double BoundOf(BackendChoice backend, Precision precision, ModelLayers int8Layers) => precision switch
    {
        Precision.Int8 => Int8BoundOf(int8Layers),
        Precision.TensorFloat32 => 2e-3,
        Precision.Float16 => 3e-3,
        Precision.BFloat16 => 2e-2,
        _ => backend == BackendChoice.Cuda ? CudaBound : CpuBound,
    };

    /// <summary>The largest allowed relative error of integer products. Errors of layers are independent and add in
    /// squares.</summary>
    /// <param name="layers">The layers of the model that have 8 bits.</param>
    public static double Int8BoundOf(ModelLayers layers) => Math.Sqrt((Int16Bound * Int16Bound)
        + (BitOperations.PopCount((uint)layers) * Int8LayerBound * Int8LayerBound));

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
