namespace MsResampler.Cli.Engines;

/// <summary>Features to check and time engines with.</summary>
internal static class RandomFeatures
{
    /// <summary>Independent values of mean 0 and deviation 1; the same seed gives the same.</summary>
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
