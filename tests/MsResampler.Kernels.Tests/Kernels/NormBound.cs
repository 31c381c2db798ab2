namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>Layer normalisation of one row in double precision, and how far a kernel that computes in float32 may be
/// from it.</summary>
/// <param name="Values">The normalised row.</param>
/// <param name="Errors">For each element how far a float32 result may be from it.</param>
internal sealed record NormBound(double[] Values, double[] Errors)
{
    /// <summary>2⁻²⁴, how far rounding to float32 moves a number at most, relative to it.</summary>
    private const double Roundoff = 1.0 / (1 << 24);

    /// <summary>Derives both.</summary>
    /// <param name="row">The row.</param>
    /// <param name="errors">How far the kernel's row may be from it.</param>
    /// <param name="weight">The weight.</param>
    /// <param name="bias">The bias.</param>
    /// <param name="epsilon">ε.</param>
    /// <param name="additionCount">Additions that a number passes through on its way into a sum over the row.</param>
    public static NormBound Of(double[] row, double[] errors, float[] weight, float[] bias, double epsilon,
        int additionCount)
    {
        double mean = row.Average();
        double variance = row.Average(value => (value - mean) * (value - mean));
        double scale = 1 / Math.Sqrt(variance + epsilon);
        // The additions and the division.
        double meanError = errors.Average() + ((additionCount + 1) * Roundoff
            * row.Zip(errors, (value, error) => Math.Abs(value) + error).Average());
        double[] differenceErrors = [.. row.Select((value, index)
            => errors[index] + meanError + (Roundoff * (Math.Abs(value - mean) + errors[index] + meanError)))];
        double varianceError = row.Select((value, index) => ((2 * Math.Abs(value - mean)) + differenceErrors[index])
            * differenceErrors[index]).Average();
        // Adding ε rounds once more; half of it all comes through the root, which is within 2⁻²² itself.
        varianceError += (additionCount + 3) * Roundoff * (variance + varianceError + epsilon);
        double scaleError = (0.5 * varianceError / Math.Max(variance + epsilon - varianceError, epsilon / 2))
            + Math.ScaleB(1, -22);
        double[] values = new double[row.Length];
        double[] valueErrors = new double[row.Length];
        for (int index = 0; index < row.Length; index++)
        {
            double normal = (row[index] - mean) * scale;
            values[index] = (normal * weight[index]) + bias[index];
            double normalError = ((differenceErrors[index] * scale) + (Math.Abs(normal) * scaleError)) * 1.001;
            valueErrors[index] = (Math.Abs(weight[index]) * (normalError + (Roundoff * Math.Abs(normal))))
                + (Roundoff * (Math.Abs(values[index]) + Math.Abs(weight[index] * normalError)));
        }

        return new NormBound(values, valueErrors);
    }
}
