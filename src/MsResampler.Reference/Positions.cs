using MathNet.Numerics.LinearAlgebra;
using MsResampler.Model;

namespace MsResampler.Reference;

/// <summary>Position embeddings: the sine–cosine embedding (step 2), and the stored table of published
/// resamplers.</summary>
internal static class Positions
{
    /// <summary>The anchor of a query along one axis, in patches.</summary>
    public static double Anchor(int queryIndex, int queryExtent, int patchExtent)
        => ((queryIndex + 0.5) * patchExtent / queryExtent) - 0.5;

    /// <summary>P(y, x), column first: [sin(x·ω), cos(x·ω), sin(y·ω), cos(y·ω)], each D/4 wide.</summary>
    public static Vector<double> SinCos(double y, double x, int width)
    {
        int quarter = width / 4;
        return Vector<double>.Build.Dense(width, channel =>
        {
            double omega = Math.Pow(10000, -(channel % quarter) / (double)quarter);
            return (channel / quarter) switch
            {
                0 => Math.Sin(x * omega),
                1 => Math.Cos(x * omega),
                2 => Math.Sin(y * omega),
                _ => Math.Cos(y * omega),
            };
        });
    }

    /// <summary>T(t): [sin(t·ω), cos(t·ω)], each D/2 wide.</summary>
    public static Vector<double> OfTime(int temporalId, int width)
    {
        int half = width / 2;
        return Vector<double>.Build.Dense(width, channel =>
        {
            double omega = Math.Pow(10000, -(channel % half) / (double)half);
            return channel < half ? Math.Sin(temporalId * omega) : Math.Cos(temporalId * omega);
        });
    }

    /// <summary>Resizes the stored table, [M, D], from the query grid to the patch grid, [N, D].</summary>
    public static Matrix<double> Resize(Matrix<double> table, QueryGrid queryGrid, PatchGrid grid)
        => BicubicWeights(queryGrid.Rows, grid.Rows)
            .KroneckerProduct(BicubicWeights(queryGrid.Columns, grid.Columns)) * table;

    /// <summary>The weights of the source entries for each target entry, [<paramref name="targetExtent"/>,
    /// <paramref name="sourceExtent"/>]: bicubic, align_corners = false, edges repeated.</summary>
    public static Matrix<double> BicubicWeights(int sourceExtent, int targetExtent)
    {
        Matrix<double> weights = Matrix<double>.Build.Dense(targetExtent, sourceExtent);
        for (int target = 0; target < targetExtent; target++)
        {
            double source = ((target + 0.5) * sourceExtent / targetExtent) - 0.5;
            int first = (int)Math.Floor(source) - 1;
            for (int tap = first; tap < first + 4; tap++)
                weights[target, Math.Clamp(tap, 0, sourceExtent - 1)] += CubicKernel(Math.Abs(source - tap));
        }
        return weights;
    }

    private static double CubicKernel(double distance)
    {
        const double A = -0.75;
        return distance <= 1
            ? ((((A + 2) * distance) - (A + 3)) * distance * distance) + 1
            : (((((A * distance) - (5 * A)) * distance) + (8 * A)) * distance) - (4 * A);
    }
}
