using ScottPlot;

namespace MsResampler.Claim.Report;

/// <summary>The font of the plots. On Linux the drawing library is built without fontconfig and needs the path of a
/// font file.</summary>
internal static class PlotFont
{
    private const string Name = "plot font";

    private static readonly string[] s_files = ["DejaVuSans.ttf", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf"];

    /// <summary>Registers a font. If none is found, prints a warning, and the plot has no labels.</summary>
    public static void Install()
    {
        if (!OperatingSystem.IsLinux())
            return;
        const string Root = "/usr/share/fonts";
        string? file = !Directory.Exists(Root) ? null : s_files.SelectMany(name =>
            Directory.EnumerateFiles(Root, name, SearchOption.AllDirectories)).FirstOrDefault();
        if (file is null)
        {
            Console.Error.WriteLine($"{Root}: expected one of {string.Join(", ", s_files)}, found none; " +
                "the plot has no labels");
            return;
        }

        // Titles are bold; they use the same file.
        Fonts.AddFontFile(Name, file, bold: false, italic: false);
        Fonts.AddFontFile(Name, file, bold: true, italic: false);
        Fonts.Default = Name;
    }
}
