namespace MsResampler.Cli.Display;

/// <summary>Describes the problems of a model folder in one line.</summary>
internal static class Problems
{
    private const int MaxCount = 5;

    /// <summary>Lists the first few problems and the number of further ones, or all problems if
    /// <paramref name="isVerbose"/> is true.</summary>
    public static string Describe(InvalidModelException exception, bool isVerbose)
    {
        IReadOnlyList<string> problems = exception.Problems;
        if (problems.Count == 1)
            return $"{exception.SourcePath}: {problems[0]}";
        int shownCount = isVerbose ? problems.Count : Math.Min(problems.Count, MaxCount);
        IEnumerable<string> shown = problems.Take(shownCount).Select((problem, index) => $"({index + 1}) {problem}");
        return $"{exception.SourcePath}: {problems.Count} problems: {string.Join("; ", shown)}" +
            (shownCount == problems.Count ? "" : $"; and {problems.Count - shownCount} more (--verbose shows all)");
    }
}
