namespace MsResampler.Training.Tests.Gradients;

/// <summary>Directions along which parameters move.</summary>
internal static class Directions
{
    /// <summary>A random sign for each element. The square of a gradient's product with it has the expectation of the
    /// gradient's squared L2 norm.</summary>
    public static sbyte[] Signs(Random random, int count)
    {
        sbyte[] direction = new sbyte[count];
        for (int index = 0; index < count; index++)
            direction[index] = (sbyte)((2 * random.Next(2)) - 1);
        return direction;
    }

    /// <summary>One element.</summary>
    public static sbyte[] Element(int index, int count)
    {
        sbyte[] direction = new sbyte[count];
        direction[index] = 1;
        return direction;
    }

    /// <summary>The derivative along a direction for a given gradient.</summary>
    public static double Along(ReadOnlySpan<sbyte> direction, ReadOnlySpan<float> gradient)
    {
        double sum = 0;
        for (int index = 0; index < direction.Length; index++)
            sum += (double)direction[index] * gradient[index];
        return sum;
    }
}
