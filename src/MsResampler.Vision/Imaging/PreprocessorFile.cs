namespace MsResampler.Vision;

/// <summary>Reads preprocessor_config.json until <see cref="ImagePreprocessing"/> does.</summary>
internal static class PreprocessorFile
{
    extension(ImagePreprocessing)
    {
        public static ImagePreprocessing Load(string path)
            => File.ReadAllText(path).Contains("Siglip", StringComparison.Ordinal) ? ImagePreprocessing.SigLip
                : throw new NotSupportedException($"{path}: expected a SiglipImageProcessor");
    }
}
