namespace MsResampler.Model;

/// <summary>A model folder is invalid. All problems are reported together: the message shows the first five,
/// <see cref="Problems"/> contains all.</summary>
public sealed class InvalidModelException : Exception
{
    private const int MaxShownCount = 5;

    /// <summary>Creates the exception for <paramref name="source"/> and its <paramref name="problems"/>.</summary>
    /// <param name="source">The invalid file or folder.</param>
    /// <param name="problems">One sentence per problem; at least one.</param>
    /// <param name="inner">The exception that caused this one, or null.</param>
    public InvalidModelException(string source, IReadOnlyList<string> problems, Exception? inner = null)
        : base(Describe(source, problems), inner)
    {
        SourcePath = source;
        Problems = problems;
    }

    /// <summary>The invalid file or folder.</summary>
    public string SourcePath { get; }

    /// <summary>One sentence per problem: the field or tensor, the expected and the actual value.</summary>
    public IReadOnlyList<string> Problems { get; }

    private static string Describe(string source, IReadOnlyList<string> problems)
    {
        if (problems.Count == 1)
            return $"{source}: {problems[0]}";
        string shown = string.Join("; ", problems.Take(MaxShownCount)
            .Select((problem, index) => $"({index + 1}) {problem}"));
        int hiddenCount = problems.Count - MaxShownCount;
        return $"{source}: {problems.Count} problems: {shown}" + (hiddenCount > 0 ? $"; and {hiddenCount} more" : "");
    }
}
