namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>Random test values.</summary>
internal static class Values
{
    /// <summary>Normally distributed floats.</summary>
    public static float[] Normal(int count, int seed)
    {
        Random random = new(seed);
        float[] values = new float[count];
        for (int index = 0; index < count; index++)
            values[index] = (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()))
                * Math.Cos(2 * Math.PI * random.NextDouble()));
        return values;
    }

    /// <summary>Rows padded with zeros, like all rows on a device.</summary>
    public static float[] Rows(int rowCount, int width, int seed)
    {
        int stride = (width + 3) / 4 * 4;
        float[] values = Normal(rowCount * stride, seed);
        for (int row = 0; row < rowCount; row++)
            values.AsSpan((row * stride) + width, stride - width).Clear();
        return values;
    }
}
