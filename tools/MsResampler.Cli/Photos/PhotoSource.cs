using System.Text;

namespace MsResampler.Cli.Photos;

/// <summary>The value of <c>--images</c>: a folder, a pattern, or a file or pipe with one path per line.</summary>
/// <param name="text">The value.</param>
internal sealed class PhotoSource(string text)
{
    private const string StandardInput = "-";

    /// <summary>The value, as given.</summary>
    public string Text => text;

    /// <summary>Lists the names of the photos. In a folder they are relative to it, so that the folder may be mounted
    /// elsewhere; otherwise they are paths as given.</summary>
    /// <param name="report">Receives folders and photos that are left out.</param>
    /// <exception cref="InputException">There is nothing of this name, or a list cannot be read.</exception>
    public IEnumerable<string> List(Action<string> report)
    {
        if (Directory.Exists(text))
            return new PhotoFinder(report).InFolder(text);
        if (text == StandardInput)
            return Lines(Console.OpenStandardInput());
        if (File.Exists(text))
        {
            return PhotoFinder.IsPicture(text)
                ? throw new InputException($"{text}: --images expects a folder, a pattern or a list of paths, found " +
                    "a picture; use --image for single pictures")
                : Lines(new FileStream(text, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        }

        string pattern = OperatingSystem.IsWindows() ? text.Replace('\\', '/') : text;
        return PathPattern.IsPattern(pattern) ? new PhotoFinder(report).Matching(new PathPattern(pattern))
            : throw new InputException($"{text}: --images expects a folder, a pattern with * or **, or a text file " +
                "with one path per line; there is nothing of this name");
    }

    /// <summary>Lists the names of the photos, and finds the first one at once, so that a mistyped name does not look
    /// like a run without photos.</summary>
    /// <param name="report">Receives folders and photos that are left out.</param>
    /// <exception cref="InputException">There is no photo, nothing of this name, or a list cannot be read.</exception>
    public IEnumerable<string> ListSome(Action<string> report)
    {
        string? problem = null;
        IEnumerator<string> names = List(text =>
        {
            problem ??= text;
            report(text);
        }).GetEnumerator();
        if (names.MoveNext())
            return Rest(names);
        names.Dispose();
        string none = Directory.Exists(text) ? $"no file in this folder ends in {PhotoFinder.Extensions}"
            : text == StandardInput || File.Exists(text) ? "the list has no path"
            : "no file matches this pattern";
        throw new InputException($"{text}: expected photos, found none: {problem ?? none}");

        static IEnumerable<string> Rest(IEnumerator<string> names)
        {
            using (names)
            {
                do
                    yield return names.Current;
                while (names.MoveNext());
            }
        }
    }

    /// <summary>The path of a photo.</summary>
    public string PathOf(string name) => Directory.Exists(text) ? Path.Combine(text, name) : name;

    private IEnumerable<string> Lines(Stream stream)
    {
        using StreamReader reader = new(stream, new UTF8Encoding(false, throwOnInvalidBytes: true));
        for (int line = 1; ; line++)
        {
            string? path;
            try
            {
                path = reader.ReadLine();
            }
            catch (DecoderFallbackException exception)
            {
                throw new InputException($"{text}: expected one path per line in UTF-8, found other bytes near line " +
                    $"{line}", exception);
            }

            if (path is null)
                yield break;
            if (path.Contains('\0', StringComparison.Ordinal))
                throw new InputException($"{text}, line {line}: expected a path, found a zero byte");
            if (!string.IsNullOrWhiteSpace(path))
                yield return path;
        }
    }
}
