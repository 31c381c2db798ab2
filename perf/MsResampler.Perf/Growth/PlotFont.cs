using ScottPlot;

namespace MsResampler.Perf.Growth;

/// <summary>The plots' font. The drawing library is built without fontconfig on Linux, so it is told where a
/// font lies.</summary>
internal static class PlotFont
{
    private const string Name = "plot font";

    private static readonly string[] s_files = ["DejaVuSans.ttf", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf"];

    /// <summary>Makes labels readable; where no font is found, says so and leaves them out.</summary>
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

        // Titles ask for bold; one weight is enough.
        Fonts.AddFontFile(Name, file, bold: false, italic: false);
        Fonts.AddFontFile(Name, file, bold: true, italic: false);
        Fonts.Default = Name;
    }
}
