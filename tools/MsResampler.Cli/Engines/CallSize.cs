using MsResampler.Cli.Display;
using MsResampler.Cli.Input;
using MsResampler.Model;

namespace MsResampler.Cli.Engines;

/// <summary>Bounds on what one call takes, checked before anything of that size is allocated.</summary>
internal static class CallSize
{
    /// <summary>Refuses images whose features or tokens are beyond 32 bits, or beyond the memory there is.</summary>
    /// <param name="what">What asks for them, such as an option with its value.</param>
    /// <param name="config">The model.</param>
    /// <param name="grid">The grid of every image.</param>
    /// <param name="imageCount">Images in memory at a time.</param>
    /// <exception cref="InputException">They are.</exception>
    public static void Require(string what, ResamplerConfig config, PatchGrid grid, int imageCount = 1)
    {
        double perImage = (double)grid.PatchCount * config.VisionHiddenSize;
        if (perImage * imageCount > FeatureFile.MaxFeatureCount)
        {
            int patchCount = FeatureFile.MaxFeatureCount / config.VisionHiddenSize / imageCount;
            throw new InputException($"{what}: {Images(imageCount)}{Quantity.Count(grid.PatchCount)} patches of " +
                $"{Quantity.Count(config.VisionHiddenSize)} channels are too large for one call, which takes at most " +
                $"{Quantity.Count(FeatureFile.MaxFeatureCount)} features: {Quantity.Count(patchCount)} patches" +
                $"{(imageCount == 1 ? "" : " an image")}");
        }

        double tokens = (double)config.QueryGrid.QueryCount * config.OutputSize;
        if (tokens * imageCount > FeatureFile.MaxFeatureCount)
        {
            throw new InputException($"{what}: {Images(imageCount)}{Quantity.Count(config.QueryGrid.QueryCount)} tokens of " +
                $"output_size {Quantity.Count(config.OutputSize)} are too large for one call, which gives at most " +
                $"{Quantity.Count(FeatureFile.MaxFeatureCount)} numbers");
        }

        // Of one image at a time an engine also holds keys and values.
        RequireMemory(what, sizeof(float) *
            ((imageCount * (perImage + tokens)) + (2.0 * grid.PatchCount * config.HiddenSize)));
    }

    /// <summary>Refuses an image whose attention maps, one for each scope, head and query, are beyond 32 bits or
    /// beyond the memory there is.</summary>
    /// <inheritdoc cref="Require"/>
    public static void RequireMaps(string what, ResamplerConfig config, PatchGrid grid)
    {
        double count = (double)config.Scopes.Count * config.AttentionHeadCount * config.QueryGrid.QueryCount
            * grid.PatchCount;
        if (count > FeatureFile.MaxFeatureCount)
        {
            throw new InputException($"{what}: {config.Scopes.Count} scopes, {config.AttentionHeadCount} heads and " +
                $"{Quantity.Count(config.QueryGrid.QueryCount)} queries on {grid} patches are {Quantity.Scaled(count)}" +
                $"attention weights; at most {Quantity.Count(FeatureFile.MaxFeatureCount)} are possible");
        }

        RequireMemory(what, sizeof(float) * count);
    }

    /// <summary>Refuses an image that the reference, which holds every matrix in double precision, cannot hold.</summary>
    /// <inheritdoc cref="Require"/>
    public static void RequireReference(string what, ResamplerConfig config, PatchGrid grid)
    {
        double largest = (double)grid.PatchCount
            * Math.Max(config.QueryGrid.QueryCount, Math.Max(config.VisionHiddenSize, config.HiddenSize));
        if (largest > FeatureFile.MaxFeatureCount)
        {
            throw new InputException($"{what}: the reference needs a matrix of {Quantity.Scaled(largest)}numbers; at most " +
                $"{Quantity.Count(FeatureFile.MaxFeatureCount)} are possible");
        }

        // Inputs, keys with and without positions, values, and the products they come from; logits, bias and weights.
        RequireMemory(what, sizeof(double) * (double)grid.PatchCount
            * (config.VisionHiddenSize + (5.0 * config.HiddenSize) + (3.0 * config.QueryGrid.QueryCount)));
    }

    private static void RequireMemory(string what, double bytes)
    {
        long available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (bytes > available)
        {
            throw new InputException($"{what}: about {Quantity.Scaled(bytes)}B of memory are needed; there are " +
                $"{Quantity.Scaled(available)}B");
        }
    }

    private static string Images(int imageCount) => imageCount == 1 ? "" : $"{Quantity.Count(imageCount)} images of ";
}
