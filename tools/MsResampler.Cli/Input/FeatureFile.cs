namespace MsResampler.Cli.Input;

/// <summary>Opens the file that <c>--features</c> names.</summary>
internal static class FeatureFile
{
    private const int MaxFeatureCount = int.MaxValue / sizeof(float);

    /// <exception cref="InputException">The file is missing, of another format, or does not hold
    /// features.</exception>
    public static IFeatureSource Open(string path)
    {
        if (!File.Exists(path))
            throw new InputException($"{path}: there is no such file");
        return Path.GetExtension(path).ToUpperInvariant() switch
        {
            ".SAFETENSORS" => SafetensorsFeatures.Open(path),
            ".NPY" => NpyFeatures.Open(path),
            _ => throw new InputException($"{path}: expected a .safetensors or .npy file of features; for " +
                "a picture use --image"),
        };
    }

    /// <summary>Reads [H, W, C] or [B, H, W, C] out of a shape.</summary>
    /// <param name="what">The file and tensor, for errors.</param>
    /// <param name="shape">The shape found.</param>
    /// <param name="allowBatch">Whether four dimensions are allowed.</param>
    public static FeatureShape ReadShape(string what, IReadOnlyList<long> shape, bool allowBatch)
    {
        bool isBatch = shape.Count == 4 && allowBatch;
        string expected = allowBatch ? "[H,W,C] or [B,H,W,C]" : "[H,W,C]";
        string found = $"[{string.Join(',', shape)}]";
        if (shape.Count != 3 && !isBatch)
            throw new InputException($"{what}: expected the shape {expected}, found {found}");
        if (shape.Any(extent => extent < 1))
            throw new InputException($"{what}: expected the shape {expected} without empty dimensions, " +
                $"found {found}");
        if (shape.TakeLast(3).Aggregate(UInt128.One,
            (product, extent) => product * (UInt128)extent) > MaxFeatureCount
            || shape[0] > int.MaxValue)
            throw new InputException($"{what}: {found} is too large: an image may have {MaxFeatureCount} " +
                "features");
        return new FeatureShape(isBatch ? (int)shape[0] : 1, new PatchGrid((int)shape[^3], (int)shape[^2]),
            (int)shape[^1]);
    }
}

/// <summary>The extents of a feature tensor.</summary>
/// <param name="ImageCount">B.</param>
/// <param name="Grid">H × W.</param>
/// <param name="ChannelCount">C.</param>
internal readonly record struct FeatureShape(int ImageCount, PatchGrid Grid, int ChannelCount)
{
    /// <summary>H·W·C.</summary>
    public int FeatureCount => (int)(Grid.PatchCount * ChannelCount);
}
