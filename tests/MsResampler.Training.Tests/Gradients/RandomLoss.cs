namespace MsResampler.Training.Tests.Gradients;

/// <summary>The loss Σ aᵢ·tᵢ + ½·Σ bᵢ·tᵢ² of tokens t, with random a and b. Because of the quadratic part the gradient
/// depends on the tokens.</summary>
internal sealed class RandomLoss
{
    private readonly double[] _linear;
    private readonly double[] _quadratic;

    public RandomLoss(int seed, int count)
    {
        Random random = new(seed);
        _linear = Normal(random, count);
        _quadratic = Normal(random, count);
    }

    public int Count => _linear.Length;

    /// <summary>The loss of tokens in double precision.</summary>
    public double ValueOf(ReadOnlySpan<double> tokens)
    {
        double loss = 0;
        for (int index = 0; index < tokens.Length; index++)
            loss += (_linear[index] + (_quadratic[index] * tokens[index] / 2)) * tokens[index];
        return loss;
    }

    /// <summary>The gradient of the loss for tokens in single precision.</summary>
    public float[] GradientOf(ReadOnlySpan<float> tokens)
    {
        float[] gradient = new float[tokens.Length];
        for (int index = 0; index < gradient.Length; index++)
            gradient[index] = (float)(_linear[index] + (_quadratic[index] * tokens[index]));
        return gradient;
    }

    /// <summary>Values of a normal distribution.</summary>
    /// <param name="random">The source.</param>
    /// <param name="count">The number of values.</param>
    /// <param name="isSingle">Whether the values are rounded to multiples of 2⁻¹².</param>
    public static double[] Normal(Random random, int count, bool isSingle = false)
    {
        double[] values = new double[count];
        for (int index = 0; index < count; index++)
        {
            double value = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()))
                * Math.Cos(2 * Math.PI * random.NextDouble());
            values[index] = isSingle ? Math.Round(value * 4096) / 4096 : value;
        }

        return values;
    }
}
