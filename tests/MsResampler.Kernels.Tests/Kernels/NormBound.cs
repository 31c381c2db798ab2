namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>The layer normalisation of a row in double precision, and the allowed error of a float32
/// kernel.</summary>
/// <param name="Values">The normalised row.</param>
/// <param name="Errors">The allowed float32 error of each element.</param>
internal sealed record NormBound(double[] Values, double[] Errors)
{
    /// <summary>The unit roundoff of float32, 2⁻²⁴.</summary>
    private const double Roundoff = 1.0 / (1 << 24);

    /// <summary>Derives the values and the errors.</summary>
    /// <remarks>The kernel subtracts a rounded mean, and then subtracts the mean of the differences again. The
    /// rounding of the first mean therefore cancels, however far the row is from 0; only the rounding of the
    /// differences remains. The error of the mean matters only by how much it lengthens the differences.</remarks>
    /// <param name="row">The row.</param>
    /// <param name="errors">The error of the kernel's row.</param>
    /// <param name="weight">The weight.</param>
    /// <param name="bias">The bias.</param>
    /// <param name="epsilon">ε.</param>
    /// <param name="additionCount">The number of additions that a value passes through in a sum over the row.</param>
    public static NormBound Of(double[] row, double[] errors, float[] weight, float[] bias, double epsilon,
        int additionCount)
    {
        double mean = row.Average();
        double variance = row.Average(value => (value - mean) * (value - mean));
        double scale = 1 / Math.Sqrt(variance + epsilon);
        // The mean is computed from a sum of differences to the first element. Its error consists of the additions,
        // the difference, the division and one rounding of the mean itself; for equal elements it is 0.
        double shift = ((additionCount + 3) * Roundoff * row.Zip(errors, (value, error) => Math.Abs(value - row[0])
            + error + errors[0]).Average()) + errors.Average()
            + (variance == 0 ? 0 : Roundoff * Math.Abs(mean));
        double[] differences = [.. row.Select((value, index) => Math.Abs(value - mean) + errors[index] + shift)];
        double shiftError = (additionCount + 2) * Roundoff * differences.Average();
        double[] differenceErrors = [.. row.Select((value, index)
            => errors[index] + errors.Average() + shiftError + (2 * Roundoff * differences[index]))];
        double varianceError = row.Select((value, index) => ((2 * Math.Abs(value - mean)) + differenceErrors[index])
            * differenceErrors[index]).Average();
        // The mean square of the differences minus that of the shift; √ε is rounded, and its square is added.
        varianceError += ((additionCount + 3) * Roundoff * differences.Average(value => value * value))
            + (2 * shift * shiftError) + (4 * Roundoff * epsilon);
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
                + (Roundoff * (Math.Abs(values[index]) + Math.Abs(weight[index] * normalError)))
                + (Math.Abs(weight[index]) * float.Epsilon);
        }

        return new NormBound(values, valueErrors);
    }
}
