using System.Runtime.CompilerServices;

namespace MsResampler.Model;

/// <summary>Rounds rows of a matrix of weights to integers, symmetrically and with one scale per row.</summary>
internal static class WeightQuantiser
{
    /// <summary>Rounds a row: <c>integer = round(weight / scale)</c>, ties to even, with <c>scale = max|weight| /
    /// level</c>.</summary>
    /// <param name="row">The weights, all finite.</param>
    /// <param name="level">The largest absolute value of an integer, see <see cref="IntegerTypes.MaxLevel"/>.</param>
    /// <param name="integers">Receives the integers.</param>
    /// <returns>The scale; 0 for a row of zeros.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Quantise(ReadOnlySpan<float> row, int level, Span<short> integers)
    {
        float max = 0;
        foreach (float weight in row)
            max = Math.Max(max, Math.Abs(weight));
        float scale = max / level;
        // In double precision, so that a scale among the denormals does not make a quotient infinite.
        double inverse = scale == 0 ? 0 : 1 / (double)scale;
        for (int index = 0; index < row.Length; index++)
            integers[index] = (short)Math.Clamp(Math.Round(row[index] * inverse), -level, level);
        return scale;
    }
}
