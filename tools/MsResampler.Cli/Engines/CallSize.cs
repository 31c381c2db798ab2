namespace MsResampler.Cli.Engines;

/// <summary>Checks the sizes of a call before memory of these sizes is allocated.</summary>
internal static class CallSize
{
    /// <summary>Checks that features and tokens have 32-bit sizes and fit the memory of the machine.</summary>
    /// <param name="what">The origin of the sizes for the error message, such as an option with its value.</param>
    /// <param name="config">The model.</param>
    /// <param name="patchCount">Patches of every image, or of all frames of a group.</param>
    /// <param name="imageCount">Images in memory together.</param>
    /// <exception cref="InputException">A size is too large.</exception>
    public static void Require(string what, ResamplerConfig config, long patchCount, int imageCount = 1)
    {
        RequireSizes(what, config, patchCount, imageCount);
        // The engine also holds the keys and values of one image.
        RequireMemory(what, sizeof(float) * ((imageCount * (((double)patchCount * config.VisionHiddenSize)
            + ((double)config.QueryGrid.QueryCount * config.OutputSize))) + (2.0 * patchCount * config.HiddenSize)));
    }

    /// <summary>Checks that features and tokens have 32-bit sizes.</summary>
    /// <inheritdoc cref="Require"/>
    public static void RequireSizes(string what, ResamplerConfig config, long patchCount, int imageCount)
    {
        double perImage = (double)patchCount * config.VisionHiddenSize;
        if (perImage * imageCount > FeatureFile.MaxFeatureCount)
        {
            int possibleCount = FeatureFile.MaxFeatureCount / config.VisionHiddenSize / imageCount;
            throw new InputException($"{what}: {Images(imageCount)}{Quantity.Count(patchCount)} patches of " +
                $"{Quantity.Count(config.VisionHiddenSize)} channels are too large for one call, which takes at most " +
                $"{Quantity.Count(FeatureFile.MaxFeatureCount)} features: {Quantity.Count(possibleCount)} patches" +
                $"{(imageCount == 1 ? "" : " an image")}");
        }

        double tokens = (double)config.QueryGrid.QueryCount * config.OutputSize;
        if (tokens * imageCount > FeatureFile.MaxFeatureCount)
        {
            throw new InputException($"{what}: {Images(imageCount)}{Quantity.Count(config.QueryGrid.QueryCount)} " +
                $"tokens of output_size {Quantity.Count(config.OutputSize)} are too large for one call, which " +
                $"returns at most {Quantity.Count(FeatureFile.MaxFeatureCount)} numbers");
        }
    }

    /// <summary>Checks that the attention maps of an image, one for each scope, head and query, have a 32-bit size and
    /// fit the memory of the machine.</summary>
    /// <inheritdoc cref="Require"/>
    public static void RequireMaps(string what, ResamplerConfig config, long patchCount)
    {
        double count = (double)config.Scopes.Count * config.AttentionHeadCount * config.QueryGrid.QueryCount
            * patchCount;
        if (count > FeatureFile.MaxFeatureCount)
        {
            throw new InputException($"{what}: {config.Scopes.Count} scopes, {config.AttentionHeadCount} heads and " +
                $"{Quantity.Count(config.QueryGrid.QueryCount)} queries on {Quantity.Count(patchCount)} patches have " +
                $"{Quantity.Scaled(count)}attention weights; at most {Quantity.Count(FeatureFile.MaxFeatureCount)} " +
                "are possible");
        }

        RequireMemory(what, sizeof(float) * count);
    }

    /// <summary>Checks that the matrices of the reference, which are in double precision, fit the memory of the
    /// machine.</summary>
    /// <inheritdoc cref="Require"/>
    public static void RequireReference(string what, ResamplerConfig config, long patchCount)
    {
        double largest = (double)patchCount
            * Math.Max(config.QueryGrid.QueryCount, Math.Max(config.VisionHiddenSize, config.HiddenSize));
        if (largest > FeatureFile.MaxFeatureCount)
        {
            throw new InputException($"{what}: the reference needs a matrix of {Quantity.Scaled(largest)}numbers; at " +
                $"most {Quantity.Count(FeatureFile.MaxFeatureCount)} are possible");
        }

        // For each patch: the input; keys with and without positions, values and intermediate products; for each query
        // a logit, a bias and a weight.
        RequireMemory(what, sizeof(double) * (double)patchCount
            * (config.VisionHiddenSize + (5.0 * config.HiddenSize) + (3.0 * config.QueryGrid.QueryCount)));
    }

    /// <summary>Checks that the machine has a size of memory.</summary>
    /// <exception cref="InputException">It has less.</exception>
    public static void RequireMemory(string what, double bytes)
    {
        long available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (bytes > available)
        {
            throw new InputException($"{what}: about {Quantity.Scaled(bytes)}B of memory are needed; the machine has " +
                $"{Quantity.Scaled(available)}B");
        }
    }

    private static string Images(int imageCount) => imageCount == 1 ? "" : $"{Quantity.Count(imageCount)} images of ";
}
