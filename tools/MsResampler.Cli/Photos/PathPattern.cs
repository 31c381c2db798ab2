using System.IO.Enumeration;

namespace MsResampler.Cli.Photos;

/// <summary>A pattern for paths: <c>*</c> and <c>?</c> within a name, and <c>**</c> for any number of folders. The
/// positions in the pattern that a path can be at are a set, so that folders that cannot match are not
/// read.</summary>
internal sealed class PathPattern
{
    private const string AnyFolders = "**";
    private const int MaxSegmentCount = 63;

    private readonly string[] _segments;

    /// <param name="pattern">The pattern, with '/' between names.</param>
    /// <exception cref="InputException">The pattern has too many parts.</exception>
    public PathPattern(string pattern)
    {
        string[] parts = pattern.Split('/');
        int fixedCount = parts.TakeWhile(part => !IsPattern(part)).Count();
        Folder = string.Join('/', parts[..fixedCount]);
        if (fixedCount > 0)
            Folder += "/";
        _segments = [.. parts[fixedCount..].Where(part => part.Length > 0)];
        if (_segments.Length > MaxSegmentCount)
            throw new InputException($"{pattern}: expected at most {MaxSegmentCount} parts after the first with * or " +
                $"?, found {_segments.Length}");
    }

    /// <summary>The start of the pattern without <c>*</c> and <c>?</c>, empty or ending in '/'.</summary>
    public string Folder { get; }

    /// <summary>The positions before the first name.</summary>
    public ulong Start => Close(1);

    /// <summary>Whether a text has one of the characters <c>*</c> and <c>?</c>.</summary>
    public static bool IsPattern(string text) => text.AsSpan().ContainsAny('*', '?');

    /// <summary>Whether a path ends here.</summary>
    public bool IsMatch(ulong positions) => (positions & (1UL << _segments.Length)) != 0;

    /// <summary>The positions after a name; 0 if nothing below it can match.</summary>
    public ulong Next(ulong positions, string name)
    {
        ulong next = 0;
        for (int position = 0; position < _segments.Length; position++)
        {
            if ((positions & (1UL << position)) == 0)
                continue;
            string segment = _segments[position];
            // As in a shell, a hidden name needs a pattern that starts with a dot.
            if (name.StartsWith('.') && !segment.StartsWith('.'))
                continue;
            if (segment == AnyFolders)
                next |= 1UL << position;
            else if (FileSystemName.MatchesSimpleExpression(segment, name, ignoreCase: false))
                next |= 1UL << (position + 1);
        }

        return Close(next);
    }

    /// <summary>Adds the positions after <c>**</c>, which also stands for no folder.</summary>
    private ulong Close(ulong positions)
    {
        for (int position = 0; position < _segments.Length; position++)
            if ((positions & (1UL << position)) != 0 && _segments[position] == AnyFolders)
                positions |= 1UL << (position + 1);
        return positions;
    }
}
