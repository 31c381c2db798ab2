using System.Text.Json;
using MsResampler.Model;

namespace MsResampler.Vision;

/// <summary>Reads a preprocessor_config.json of transformers, or the part of a processor_config.json about
/// images.</summary>
internal static class PreprocessorConfig
{
    /// <summary>The usual name of the file.</summary>
    public const string FileName = "preprocessor_config.json";

    private const string CombinedFileName = "processor_config.json";
    private const string Nested = "image_processor";
    private const string Type = "image_processor_type";
    private const string OldType = "feature_extractor_type";
    private const int MaxExtent = 1 << 24;
    private const int MaxPixels = int.MaxValue;

    // From this side on, ConvNext keeps the whole image.
    private const int MinWholeSide = 384;
    private const double DefaultCropFraction = 224.0 / 256;

    // A step has its own field that switches it on. Those that are not listed do not exist here.
    private static readonly string[] s_switches =
        ["do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"];

    /// <summary>Finds the folder with the configuration of an encoder: its own, or the one above, because published
    /// models have their encoder in a folder of its own. Returns null if neither has one.</summary>
    public static string? FindFolder(string encoderPath)
    {
        string? own = Path.GetDirectoryName(Path.GetFullPath(encoderPath));
        return Array.Find([own, Path.GetDirectoryName(own)], folder => folder is not null
            && (File.Exists(Path.Combine(folder, FileName)) || File.Exists(Path.Combine(folder, CombinedFileName))));
    }

    /// <inheritdoc cref="ImagePreprocessing.Load"/>
    public static ImagePreprocessing Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
        {
            string file = Path.Combine(path, FileName), combined = Path.Combine(path, CombinedFileName);
            path = !File.Exists(file) && File.Exists(combined) ? combined : file;
        }

        return ConfigReader.Parse(ConfigReader.ReadBytes(path), path, Read);
    }

    private static ImagePreprocessing Read(JsonElement root, List<string> problems)
    {
        JsonFields fields = new(root, "", problems, []);
        if (fields.HasObject(Nested))
            fields = fields.Object(Nested)!;
        string typeField = fields.HasValue(Type) || !fields.HasValue(OldType) ? Type : OldType;
        string type = fields.Text(typeField);
        if (ProcessorFamily.Find(type) is not { } family)
        {
            if (type.Length > 0)
                fields.Problem(typeField, $"one of {ProcessorFamily.Names}", $"\"{type}\"");
            return new ImagePreprocessing();
        }

        foreach (string name in fields.Names.Where(IsUnknownSwitch))
        {
            if (fields.HasValue(name) && fields.Flag(name))
                fields.Problem(name, "false, because this library lacks the step", "true");
        }

        (ResizeRule resize, ImageSize? crop) = ReadSizes(fields, family);
        bool isNormalised = IsOn(fields, "do_normalize", true);
        return new ImagePreprocessing
        {
            Resize = resize,
            Crop = crop,
            Resampling = fields.HasValue("resample") ? (Resampling)fields.Whole("resample", 0, 5) : family.Resampling,
            RescaleFactor = !IsOn(fields, "do_rescale", true) ? 1
                : fields.HasValue("rescale_factor") ? fields.Positive("rescale_factor") : 1.0 / 255,
            Mean = isNormalised ? ReadChannels(fields, "image_mean", family.Normalisation.Mean, isDivisor: false)
                : new ChannelValues(0),
            Std = isNormalised ? ReadChannels(fields, "image_std", family.Normalisation.Std, isDivisor: true)
                : new ChannelValues(1),
        };
    }

    private static bool IsUnknownSwitch(string name) => !s_switches.Contains(name)
        && (name.StartsWith("do_", StringComparison.Ordinal) || name == "rescale_offset");

    private static bool IsOn(JsonFields fields, string name, bool fallback)
        => fields.HasValue(name) ? fields.Flag(name) : fallback;

    private static (ResizeRule Resize, ImageSize? Crop) ReadSizes(JsonFields fields, ProcessorFamily family)
    {
        if (!IsOn(fields, "do_resize", true))
            return (ResizeRule.None, ReadCrop(fields, family));
        return family.Name switch
        {
            ProcessorFamily.Qwen2VL => (ReadNative(fields), null),
            ProcessorFamily.ConvNext => ReadConvNext(fields, family),
            _ => (ReadResize(fields, family), ReadCrop(fields, family)),
        };
    }

    private static ResizeRule ReadResize(JsonFields fields, ProcessorFamily family)
    {
        bool isSquare = IsOn(fields, "default_to_square", family.IsSquare);
        if (!fields.HasObject("size"))
        {
            int length = fields.HasValue("size") ? fields.Extent("size", MaxExtent) : family.Size;
            return isSquare ? ResizeRule.Exact(length, length) : ResizeRule.ShortestEdge(length);
        }

        JsonFields size = fields.Object("size")!;
        switch (size.HasValue("shortest_edge"), size.HasValue("longest_edge"))
        {
            case (true, true):
                size.Problem("longest_edge", "nothing beside shortest_edge", "both");
                return ResizeRule.None;
            case (true, false):
                return ResizeRule.ShortestEdge(size.Extent("shortest_edge", MaxExtent));
            case (false, true):
                return ResizeRule.LongestEdge(size.Extent("longest_edge", MaxExtent));
            default:
                return ResizeRule.Exact(size.Extent("height", MaxExtent), size.Extent("width", MaxExtent));
        }
    }

    private static ImageSize? ReadCrop(JsonFields fields, ProcessorFamily family)
    {
        if (!IsOn(fields, "do_center_crop", family.CropSize is not null))
            return null;
        if (fields.HasObject("crop_size"))
        {
            JsonFields size = fields.Object("crop_size")!;
            return new ImageSize(size.Extent("height", MaxExtent), size.Extent("width", MaxExtent));
        }

        int side = family.CropSize is { } known && !fields.HasValue("crop_size") ? known
            : fields.Extent("crop_size", MaxExtent);
        return new ImageSize(side, side);
    }

    /// <summary>A small image is enlarged by the inverse of the fraction, and its centre is cropped; a large one keeps
    /// all pixels.</summary>
    private static (ResizeRule Resize, ImageSize? Crop) ReadConvNext(JsonFields fields, ProcessorFamily family)
    {
        int side = family.Size;
        if (fields.HasObject("size"))
            side = fields.Object("size")!.Extent("shortest_edge", MaxExtent);
        else if (fields.HasValue("size"))
            side = fields.Extent("size", MaxExtent);
        if (side >= MinWholeSide)
            return (ResizeRule.Exact(side, side), null);
        double fraction = fields.HasValue("crop_pct") ? fields.Positive("crop_pct") : DefaultCropFraction;
        if (fraction > 1)
            fields.Problem("crop_pct", "at most 1", $"{fraction}");
        return (ResizeRule.ShortestEdge((int)(side / Math.Min(fraction, 1))), new ImageSize(side, side));
    }

    private static ResizeRule ReadNative(JsonFields fields)
    {
        const int DefaultMinPixels = 56 * 56, DefaultMaxPixels = 28 * 28 * 1280;
        JsonFields? size = fields.HasObject("size") ? fields.Object("size") : null;
        int minPixels = Pixels("min_pixels", "shortest_edge", DefaultMinPixels);
        int maxPixels = Pixels("max_pixels", "longest_edge", DefaultMaxPixels);
        int multiple = Side("patch_size", 14) * Side("merge_size", 2);
        if (maxPixels >= Math.Max(minPixels, multiple * multiple))
            return ResizeRule.Native(multiple, minPixels, maxPixels);
        fields.Problem("max_pixels", $"at least {Math.Max(minPixels, multiple * multiple)} pixels", $"{maxPixels}");
        return ResizeRule.None;

        int Pixels(string name, string sizeName, int fallback) => fields.HasValue(name)
            ? fields.Extent(name, MaxPixels)
            : size?.HasValue(sizeName) == true ? size.Extent(sizeName, MaxPixels) : fallback;

        int Side(string name, int fallback) => fields.HasValue(name) ? fields.Extent(name, 128) : fallback;
    }

    private static ChannelValues ReadChannels(JsonFields fields, string name, ChannelValues fallback, bool isDivisor)
    {
        if (!fields.HasValue(name))
            return fallback;
        string expected = isDivisor ? "3 positive numbers" : "3 numbers";
        double[] values = fields.Numbers(name, 3, expected, value => (float)value is var single
            && float.IsFinite(single) && (!isDivisor || single > 0));
        return new ChannelValues((float)values[0], (float)values[1], (float)values[2]);
    }
}
