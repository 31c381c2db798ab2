namespace MsResampler.Tests.Reference;

/// <summary>The layers of the model for one vector as plain loops, independent of every implementation.</summary>
internal static class Loops
{
    public static double[] Linear(double[] x, WeightTensor weight, WeightTensor? bias = null)
    {
        double[] values = weight.ToDouble();
        double[] result = bias?.ToDouble() ?? new double[weight.Rows];
        for (int row = 0; row < weight.Rows; row++)
            for (int column = 0; column < weight.Columns; column++)
                result[row] += values[(row * weight.Columns) + column] * x[column];
        return result;
    }

    public static double[] Linear(double[] x, LinearWeights layer) => Linear(x, layer.Weight, layer.Bias);

    public static double[] LayerNorm(double[] x, NormWeights norm)
    {
        double mean = x.Average();
        double divisor = Math.Sqrt(x.Average(value => (value - mean) * (value - mean)) + 1e-6);
        double[] weight = norm.Weight.ToDouble();
        double[] bias = norm.Bias.ToDouble();
        return [.. x.Select((value, channel) =>
            ((value - mean) / divisor * weight[channel]) + bias[channel])];
    }

    /// <summary>Adds the sine–cosine embedding of position (y, x) to a vector of width 8.</summary>
    public static void AddSinCos(double[] vector, double y, double x)
    {
        double[] omega = [1, 0.01];
        for (int k = 0; k < 2; k++)
        {
            vector[k] += Math.Sin(x * omega[k]);
            vector[2 + k] += Math.Cos(x * omega[k]);
            vector[4 + k] += Math.Sin(y * omega[k]);
            vector[6 + k] += Math.Cos(y * omega[k]);
        }
    }

    /// <summary>x·Φ(x) by the series of Marsaglia, Evaluating the Normal Distribution, 2004.</summary>
    public static double Gelu(double x)
    {
        double term = x;
        double sum = x;
        for (int odd = 3; odd < 200; odd += 2)
        {
            term *= x * x / odd;
            sum += term;
        }
        return x * (0.5 + (sum * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI)));
    }

    /// <summary>The values of the identity matrix times <paramref name="scale"/>, row-major.</summary>
    public static Func<long, float> Identity(int width, float scale = 1)
        => index => index / width == index % width ? scale : 0;
}
