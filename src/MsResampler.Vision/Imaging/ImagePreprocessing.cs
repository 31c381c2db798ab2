namespace MsResampler.Vision;

/// <summary>How an image becomes the input of a vision encoder: it is decoded, turned upright, resized, cropped,
/// rescaled and normalised, in this order. A value v of channel c becomes
/// (v · <see cref="RescaleFactor"/> − Mean[c]) / Std[c].</summary>
public sealed record ImagePreprocessing
{
    private const int DefaultSide = 224;
    private const int ImageNetResizedSide = 256;

    /// <summary>CLIP: shortest edge 224, centre crop 224x224, bicubic, the mean and deviation of CLIP.</summary>
    public static ImagePreprocessing Clip { get; } = new()
    {
        Resize = ResizeRule.ShortestEdge(DefaultSide),
        Crop = new ImageSize(DefaultSide, DefaultSide),
        Mean = new ChannelValues(0.48145466f, 0.4578275f, 0.40821073f),
        Std = new ChannelValues(0.26862954f, 0.26130258f, 0.27577711f),
    };

    /// <summary>SigLIP: exactly 224x224, bicubic, values from −1 to 1.</summary>
    public static ImagePreprocessing SigLip { get; } = new() { Resize = ResizeRule.Exact(DefaultSide, DefaultSide) };

    /// <summary>ImageNet classifiers: shortest edge 256, centre crop 224x224, bilinear, the mean and deviation of
    /// ImageNet.</summary>
    public static ImagePreprocessing ImageNet { get; } = new()
    {
        Resize = ResizeRule.ShortestEdge(ImageNetResizedSide),
        Crop = new ImageSize(DefaultSide, DefaultSide),
        Resampling = Resampling.Bilinear,
        Mean = new ChannelValues(0.485f, 0.456f, 0.406f),
        Std = new ChannelValues(0.229f, 0.224f, 0.225f),
    };

    /// <summary>The names of the presets.</summary>
    internal const string PresetNames = "clip, siglip, imagenet";

    /// <summary>The size before the crop; by default the size of the upright image.</summary>
    public ResizeRule Resize { get; init; } = ResizeRule.None;

    /// <summary>The size of the centre that is kept, or null. Where the resized image is smaller, the result is
    /// black.</summary>
    public ImageSize? Crop { get; init; }

    /// <summary>The filter of the resize; bicubic by default.</summary>
    public Resampling Resampling { get; init; } = Resampling.Bicubic;

    /// <summary>The factor of a value from 0 to 255; 1/255 by default.</summary>
    public double RescaleFactor { get; init; } = 1.0 / 255;

    /// <summary>The mean that is subtracted from rescaled values; ½ by default.</summary>
    public ChannelValues Mean { get; init; } = new(0.5f);

    /// <summary>The standard deviation that divides the values; ½ by default.</summary>
    public ChannelValues Std { get; init; } = new(0.5f);

    /// <summary>How files are decoded, and which are rejected.</summary>
    public ImageDecoding Decoding { get; init; } = new();

    /// <summary>Reads the steps that a Hugging Face model declares.</summary>
    /// <param name="path">A <c>preprocessor_config.json</c> or <c>processor_config.json</c>, or the folder with
    /// it.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="Model.InvalidModelException">A field is wrong, or declares a step that this library lacks; all
    /// of them are named.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static ImagePreprocessing Load(string path) => PreprocessorConfig.Load(path);

    /// <summary>The same steps for an encoder with a fixed input size, so that every result has this size. With a
    /// crop, a size or a shortest edge changes in proportion to it. A shortest edge without a crop becomes the longer
    /// side of the input, which is then cropped. Other rules become <see cref="ResizeRule.Exact"/>, except
    /// <see cref="ResizeRule.None"/>: without a crop, images must have the size already.</summary>
    /// <param name="input">The height and width of the encoder's input.</param>
    /// <exception cref="ArgumentOutOfRangeException">A side is not positive.</exception>
    public ImagePreprocessing For(ImageSize input)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(input.Height, nameof(input));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(input.Width, nameof(input));
        (ResizeRule resize, ImageSize? crop) = Resize.For(input, Crop);
        return this with { Resize = resize, Crop = crop };
    }

    /// <summary>The preset of a name, in upper or lower case; null if there is none.</summary>
    internal static ImagePreprocessing? Preset(string name) => name.ToUpperInvariant() switch
    {
        "CLIP" => Clip,
        "SIGLIP" => SigLip,
        "IMAGENET" => ImageNet,
        _ => null,
    };

    /// <summary>The size of the prepared image.</summary>
    /// <param name="upright">The size of the upright image.</param>
    /// <inheritdoc cref="ResizeRule.SizeOf" path="/exception"/>
    public ImageSize OutputSizeOf(ImageSize upright) => Crop ?? Resize.SizeOf(upright);
}
