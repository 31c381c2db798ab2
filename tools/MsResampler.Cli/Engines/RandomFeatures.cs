namespace MsResampler.Cli.Engines;

/// <summary>Random features for checks and measurements.</summary>
internal static class RandomFeatures
{
    /// <summary>Returns independent values from a normal distribution with mean 0 and variance 1. The same seed gives
    /// the same values.</summary>
    public static float[] Create(int seed, PatchGrid grid, int channelCount)
    {
        Random random = new(seed);
        float[] features = new float[checked(grid.PatchCount * channelCount)];
        for (int index = 0; index < features.Length; index++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            features[index] = (float)(radius * Math.Cos(2 * Math.PI * random.NextDouble()));
        }

        return features;
    }
}
