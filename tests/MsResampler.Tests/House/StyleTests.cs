namespace MsResampler.Tests.House;

/// <summary>The size of source files and lines, and the order of usings. The build checks the other rules of
/// .editorconfig, and CI the white space.</summary>
public sealed class StyleTests
{
    private const int MaxColumns = 120;
    private const int MaxLines = 500;

    /// <summary>A longer file states its reason in a comment with this mark, near its start.</summary>
    private const string ReasonMark = "// Long because: ";

    private const int ReasonLines = 20;

    [Test]
    public void No_line_has_more_than_120_columns()
    {
        string root = Repository.RootOrSkip();
        string[] longLines = [.. Sources().SelectMany(path => File.ReadLines(path)
            .Select((line, index) => (line.Length, Place: $"{Path.GetRelativePath(root, path)}:{index + 1}"))
            .Where(line => line.Length > MaxColumns).Select(line => $"{line.Place} has {line.Length} columns"))];
        Assert.That(longLines, Is.Empty);
    }

    [Test]
    public void A_file_of_more_than_500_lines_states_the_reason()
    {
        string root = Repository.RootOrSkip();
        string[] longFiles = [.. Sources().Select(path => (Path: path, Lines: File.ReadAllLines(path)))
            .Where(file => file.Lines.Length > MaxLines && !file.Lines.Take(ReasonLines)
                .Any(line => line.TrimStart().StartsWith(ReasonMark, StringComparison.Ordinal)))
            .Select(file => $"{Path.GetRelativePath(root, file.Path)} has {file.Lines.Length} lines")];
        Assert.That(longFiles, Is.Empty, $"split the file by subject, or state the reason: {ReasonMark}...");
    }

    /// <summary>Namespaces, static classes, aliases; of the first two, those of the system first.</summary>
    [Test]
    public void Usings_are_sorted()
    {
        string root = Repository.RootOrSkip();
        string[] unsorted = [.. Sources().Where(path =>
        {
            string[] usings = UsingsOf(path);
            return !usings.SequenceEqual(usings.OrderBy(RankOf).ThenBy(NameOf, StringComparer.OrdinalIgnoreCase));
        }).Select(path => Path.GetRelativePath(root, path))];
        Assert.That(unsorted, Is.Empty, "dotnet format sorts them");
    }

    [TestCase("using System.Text;", 0)]
    [TestCase("using SystemOfOthers;", 1)]
    [TestCase("using static System.Math;", 2)]
    [TestCase("using static A.B;", 3)]
    [TestCase("using Alias = System.Text.Rune;", 4)]
    public void Usings_are_ordered_by_kind(string line, int rank) => Assert.That(RankOf(line), Is.EqualTo(rank));

    /// <summary>The using directives at the start of a file.</summary>
    private static string[] UsingsOf(string path) => [.. File.ReadLines(path)
        .Where(line => line.Length > 0 && !line.StartsWith("//", StringComparison.Ordinal))
        .TakeWhile(line => line.StartsWith("using ", StringComparison.Ordinal))];

    private static string NameOf(string line) => line.Replace("using ", "", StringComparison.Ordinal)
        .Replace("static ", "", StringComparison.Ordinal).TrimEnd(';');

    private static int RankOf(string line)
    {
        if (line.Contains('=', StringComparison.Ordinal))
            return 4;
        bool isOfSystem = NameOf(line) == "System" || NameOf(line).StartsWith("System.", StringComparison.Ordinal);
        return (line.StartsWith("using static ", StringComparison.Ordinal) ? 2 : 0) + (isOfSystem ? 0 : 1);
    }

    private static string[] Sources() => Repository.SourcesOrSkip("src", "kernels", "tests", "tools", "perf");
}
