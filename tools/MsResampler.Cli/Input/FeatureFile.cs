namespace MsResampler.Cli.Input;

/// <summary>Opens the files that <c>--features</c> names.</summary>
internal static class FeatureFile
{
    /// <summary>The features that one call may take, so that 32 bits count their bytes.</summary>
    public const int MaxFeatureCount = int.MaxValue / sizeof(float);

    private const string Option = "--features";

    /// <summary>Opens files as one batch.</summary>
    /// <param name="paths">The files; at least one.</param>
    /// <param name="layout">What the user says of their images.</param>
    /// <exception cref="InputException">A file is missing, of another format, or does not hold
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
            // A header's length may have the first bytes of an archive, so that a safetensors file is read before it is
            // called something else. Pipes have no extension.
            if (!isPicture && (extension == ".SAFETENSORS" || file.ReadablePath != path))
                return SafetensorsFeatures.Open(file, layout);
            string? found = FileContent.Describe(file);
            if (extension == ".NPY" && found is null)
                return NpyFeatures.Open(file, layout);
            throw new InputException($"{path}: expected a .safetensors or .npy file of features" +
                (found is null ? "" : $", found {found}") +
                (isPicture || found is null ? "; for a picture use --image" : ""));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
