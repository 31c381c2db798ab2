namespace MsResampler.Cli.Engines;

/// <summary>How far tokens are from the reference.</summary>
/// <param name="RelativeL2">‖x − y‖ / ‖y‖.</param>
/// <param name="MaxAbsolute">The largest |x − y|.</param>
internal readonly record struct Deviation(double RelativeL2, double MaxAbsolute)
{
    /// <summary>The relative error allowed to the CPU backend.</summary>
    public const double CpuBound = 3e-6;

    /// <summary>The relative error allowed to a GPU, which sums a product's terms one after another.</summary>
    public const double CudaBound = 5e-6;

    /// <summary>The relative error allowed to a backend. Below float32, what holds against the reference on rounded
    /// weights and features is doubled, because here the reference has them as they are: rounding them adds as much as
    /// rounding activations.</summary>
    public static double BoundOf(BackendChoice backend, Precision precision) => precision switch
    {
        Precision.TensorFloat32 => 2e-3,
        Precision.Float16 => 3e-3,
        Precision.BFloat16 => 2e-2,
        _ => backend == BackendChoice.Cuda ? CudaBound : CpuBound,
    };

    /// <summary>Compares; a NaN anywhere makes both measures NaN.</summary>
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

    /// <summary>Whether the error is within a bound; NaN is not.</summary>
    public bool IsWithin(double bound) => RelativeL2 <= bound;
}
