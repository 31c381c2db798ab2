namespace MsResampler.Vision;

/// <summary>An image processor of transformers: the values of fields that its configuration omits, and how it reads a
/// size.</summary>
/// <param name="Name">The name without the ending ImageProcessor.</param>
/// <param name="Size">The default size; the length of the shortest edge unless <paramref name="IsSquare"/>.</param>
/// <param name="IsSquare">Whether a size of one number is both height and width.</param>
/// <param name="CropSize">The default side of the crop; null if there is none.</param>
/// <param name="Resampling">The default filter.</param>
/// <param name="Normalisation">Steps with the default mean and deviation.</param>
internal sealed record ProcessorFamily(string Name, int Size, bool IsSquare, int? CropSize, Resampling Resampling,
    ImagePreprocessing Normalisation)
{
    /// <summary>The processor with a fraction of the image in the place of a crop.</summary>
    public const string ConvNext = "ConvNext";

    /// <summary>The processor of native resolution.</summary>
    public const string Qwen2VL = "Qwen2VL";

    private static readonly string[] s_endings = ["Fast", "ImageProcessor", "FeatureExtractor"];

    /// <summary>All processors that this library implements.</summary>
    public static IReadOnlyList<ProcessorFamily> All { get; } =
    [
        new("CLIP", 224, false, 224, Resampling.Bicubic, ImagePreprocessing.Clip),
        new("Siglip", 224, true, null, Resampling.Bicubic, ImagePreprocessing.SigLip),
        new("ViT", 224, true, null, Resampling.Bilinear, ImagePreprocessing.SigLip),
        new("DeiT", 256, true, 224, Resampling.Bicubic, ImagePreprocessing.SigLip),
        new("Bit", 224, false, 224, Resampling.Bicubic, ImagePreprocessing.Clip),
        new(ConvNext, 384, false, null, Resampling.Bilinear, ImagePreprocessing.SigLip),
        new(Qwen2VL, 0, false, null, Resampling.Bicubic, ImagePreprocessing.Clip),
    ];

    /// <summary>The names of all processors, for messages.</summary>
    public static string Names { get; } = string.Join(", ", All.Select(family => $"\"{family.Name}ImageProcessor\""));

    /// <summary>The processor with a name such as CLIPImageProcessor, CLIPImageProcessorFast or CLIPFeatureExtractor;
    /// null if there is none.</summary>
    public static ProcessorFamily? Find(string type)
    {
        string name = type;
        foreach (string ending in s_endings)
        {
            if (name.EndsWith(ending, StringComparison.Ordinal))
                name = name[..^ending.Length];
        }

        return name == type ? null : All.FirstOrDefault(family => family.Name == name);
    }
}
