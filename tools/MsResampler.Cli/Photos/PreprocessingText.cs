using System.Globalization;
using MsResampler.Vision;

namespace MsResampler.Cli.Photos;

/// <summary>The steps that prepare a photo as settings of a run, one by one, so that a message can name those that
/// differ.</summary>
internal static class PreprocessingText
{
    /// <summary>The steps by names for <see cref="StoreSettings.Origin"/>. The limits of decoding are not among them:
    /// they reject photos, and change no tokens.</summary>
    public static Dictionary<string, string> Of(ImagePreprocessing preprocessing)
    {
        Dictionary<string, string> settings = new()
        {
            [nameof(preprocessing.Resize)] = $"{preprocessing.Resize}",
            [nameof(preprocessing.Crop)] = preprocessing.Crop is { } crop ? $"{crop}" : "none",
            [nameof(preprocessing.Resampling)] = $"{preprocessing.Resampling}",
            [nameof(preprocessing.RescaleFactor)] = preprocessing.RescaleFactor.ToString(CultureInfo.InvariantCulture),
            [nameof(preprocessing.Mean)] = Text(preprocessing.Mean),
            [nameof(preprocessing.Std)] = Text(preprocessing.Std),
        };
        RgbColor background = preprocessing.Decoding.Background;
        return new Dictionary<string, string>(settings.Select(setting => KeyValuePair.Create(
            StoreSettings.PreprocessingPrefix + char.ToLowerInvariant(setting.Key[0]) + setting.Key[1..],
            setting.Value)))
        {
            ["background"] = $"{background.Red:x2}{background.Green:x2}{background.Blue:x2}",
            ["color_profiles"] = preprocessing.Decoding.ColorManagement == ColorManagement.Ignore ? "ignore"
                : "convert",
        };
    }

    private static string Text(ChannelValues values)
        => string.Create(CultureInfo.InvariantCulture, $"{values.Red} {values.Green} {values.Blue}");
}
