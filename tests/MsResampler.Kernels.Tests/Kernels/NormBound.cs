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
    /// <remarks>Differences are taken to a mean that is itself rounded, and what they have in common is taken from
    /// them again: so only their own rounding counts, not that of the mean, however far the row is from 0. What
    /// counts of the mean's is how much longer it makes the differences.</remarks>
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
        // The mean comes from a sum of differences to the first element: the additions, the difference, the division
        // and one rounding beside the mean itself. Equal elements have none of it.
        double shift = ((additionCount + 3) * Roundoff * row.Zip(errors, (value, error) => Math.Abs(value - row[0])
            + error + errors[0]).Average()) + errors.Average()
            + (variance == 0 ? 0 : Roundoff * Math.Abs(mean));
        double[] differences = [.. row.Select((value, index) => Math.Abs(value - mean) + errors[index] + shift)];
        double shiftError = (additionCount + 2) * Roundoff * differences.Average();
        double[] differenceErrors = [.. row.Select((value, index)
            => errors[index] + errors.Average() + shiftError + (2 * Roundoff * differences[index]))];
        double varianceError = row.Select((value, index) => ((2 * Math.Abs(value - mean)) + differenceErrors[index])
            * differenceErrors[index]).Average();
        // The mean square of differences, from which that of the shift is taken; √ε is rounded, and its square added.
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
