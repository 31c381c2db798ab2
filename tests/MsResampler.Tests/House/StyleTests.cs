namespace MsResampler.Tests.House;

/// <summary>The size of source files and lines.</summary>
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

    private static string[] Sources() => Repository.SourcesOrSkip("src", "kernels", "tests", "tools", "perf");
}
