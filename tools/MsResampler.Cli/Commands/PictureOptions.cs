using System.CommandLine;
using System.Globalization;
using MsResampler.Vision;

namespace MsResampler.Cli.Commands;

/// <summary>The options of <c>run</c> that say how pictures are decoded.</summary>
internal sealed class PictureOptions
{
    private const int ColorDigits = 6;

    private Option<RgbColor?> Background { get; } = new("--background")
    {
        Description = "With pictures: the colour behind transparent pixels, as six hexadecimal digits (default: " +
            "ffffff, white).",
        HelpName = "RRGGBB",
        CustomParser = result => TryParse(Options.Text(result).TrimStart('#'), out RgbColor color) ? color
            : Options.Fail<RgbColor?>(result, "--background", "six hexadecimal digits such as 808080"),
    };

    private Option<ColorManagement?> ColorProfiles { get; } = new("--color-profiles")
    {
        Description = "With pictures: convert colours from the profile of a file to sRGB (default), or ignore " +
            "profiles, as the image processors of transformers do.",
        HelpName = "convert|ignore",
        CustomParser = result => Options.Text(result) switch
        {
            "convert" => ColorManagement.ConvertToSrgb,
            "ignore" => ColorManagement.Ignore,
            _ => Options.Fail<ColorManagement?>(result, "--color-profiles", "convert or ignore"),
        },
    };

    /// <summary>All options.</summary>
    public Option[] All => [Background, ColorProfiles];

    /// <summary>The values of the options.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="hasPictures">Whether the input is pictures.</param>
    /// <exception cref="InputException">An option is given without pictures.</exception>
    public ImageDecoding Read(ParseResult parsed, bool hasPictures)
    {
        if (!hasPictures && Array.Find(All, option => parsed.GetResult(option) is { Implicit: false }) is { } given)
            throw new InputException($"{given.Name} can only be used with --image or --images");
        ImageDecoding defaults = new();
        return defaults with
        {
            Background = parsed.GetValue(Background) ?? defaults.Background,
            ColorManagement = parsed.GetValue(ColorProfiles) ?? defaults.ColorManagement,
        };
    }

    private static bool TryParse(string digits, out RgbColor color)
    {
        bool isColor = int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value)
            && digits.Length == ColorDigits;
        color = new RgbColor((byte)(value >> 16), (byte)(value >> 8), (byte)value);
        return isColor;
    }
}
