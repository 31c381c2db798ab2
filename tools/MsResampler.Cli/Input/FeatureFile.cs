namespace MsResampler.Cli.Input;

/// <summary>Opens the files of <c>--features</c>.</summary>
internal static class FeatureFile
{
    /// <summary>The largest number of features in a call: their size in bytes fits 32 bits.</summary>
    public const int MaxFeatureCount = int.MaxValue / sizeof(float);

    private const string Option = "--features";

    /// <summary>Opens files as one batch.</summary>
    /// <param name="paths">One or more files.</param>
    /// <param name="layout">The user's description of the images.</param>
    /// <exception cref="InputException">A file does not exist, has another format, or contains no
    /// features.</exception>
    public static IFeatureSource Open(IReadOnlyList<string> paths, FeatureLayout layout)
    {
        List<IFeatureSource> sources = [];
        try
        {
            foreach (string path in paths)
                sources.Add(Open(path, layout));
            return sources.Count == 1 ? sources[0] : new FeatureFiles(sources);
        }
        catch
        {
            sources.ForEach(source => source.Dispose());
            throw;
        }
    }

    private static IFeatureSource Open(string path, FeatureLayout layout)
    {
        InputFile file = InputFile.Open(path, Option);
        try
        {
            string extension = Path.GetExtension(path).ToUpperInvariant();
            if (FileContent.IsNpy(file))
                return NpyFeatures.Open(file, layout);
            bool isPicture = FileContent.IsPicture(file);
            // The first bytes of a safetensors file are a length, which can look like the start of another format. So
            // the extension decides first. A pipe has no extension.
            if (!isPicture && (extension == ".SAFETENSORS" || file.ReadablePath != path))
                return SafetensorsFeatures.Open(file, layout);
            string? found = FileContent.Describe(file);
            if (extension == ".NPY" && found is null)
                return NpyFeatures.Open(file, layout);
            throw new InputException($"{path}: expected features in a .safetensors or .npy file" +
                (found is null ? "" : $", found {found}") +
                (isPicture || found is null ? "; use --image for a picture" : ""));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
