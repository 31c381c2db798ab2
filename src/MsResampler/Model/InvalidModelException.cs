namespace MsResampler.Model;

/// <summary>A model folder that cannot be loaded. Every problem found is reported at once: the message shows the first
/// five, <see cref="Problems"/> holds all.</summary>
public sealed class InvalidModelException : Exception
{
    private const int MaxShownCount = 5;

    /// <summary>Creates the error for <paramref name="source"/> with all its <paramref name="problems"/>.</summary>
    /// <param name="source">The file or folder at fault.</param>
    /// <param name="problems">One sentence per problem; at least one.</param>
    /// <param name="inner">The cause, where another exception reported it.</param>
    public InvalidModelException(string source, IReadOnlyList<string> problems, Exception? inner = null)
        : base(Describe(source, problems), inner)
    {
        SourcePath = source;
        Problems = problems;
    }

    /// <summary>The file or folder at fault.</summary>
    public string SourcePath { get; }

    /// <summary>Each problem: the field or tensor, what was expected and what was found.</summary>
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
