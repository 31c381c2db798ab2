using System.IO.Enumeration;
using MsResampler.Files;

namespace MsResampler.Cli.Photos;

/// <summary>Finds photos in folders. Names use '/' and come in the order of their UTF-16 code units. Only the entries
/// of the folders on the way to a photo are in memory.</summary>
/// <param name="report">Receives each folder and each photo that is left out, because it cannot be read or its name is
/// not UTF-8.</param>
internal sealed class PhotoFinder(Action<string> report)
{
    private static readonly string[] s_extensions = [".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp"];

    // .NET decodes names as UTF-8, and puts this where the bytes are something else. No path leads back to such a file.
    private const char Undecodable = '\uFFFD';

    private static readonly EnumerationOptions s_everything = new() { AttributesToSkip = 0 };

    private int _undecodableCount;

    /// <summary>The extensions of pictures, for messages.</summary>
    public static string Extensions => $"{string.Join(", ", s_extensions[..^1])} or {s_extensions[^1]}";

    /// <summary>Whether a name has an extension of a picture.</summary>
    public static bool IsPicture(string name)
        => s_extensions.Contains(Path.GetExtension(name), StringComparer.OrdinalIgnoreCase);

    /// <summary>The pictures in a folder and in its folders, relative to it. Hidden files and folders are left out.
    /// Links are followed, except to a folder that holds them.</summary>
    public IEnumerable<string> InFolder(string folder)
        => Walk(folder, "", new PathPattern("**"), new PathPattern("**").Start, [], IsPicture);

    /// <summary>The files that match a pattern, with the start of the pattern.</summary>
    public IEnumerable<string> Matching(PathPattern pattern)
        => Walk(pattern.Folder.Length == 0 ? "." : pattern.Folder, pattern.Folder, pattern, pattern.Start, [],
            static _ => true);

    private IEnumerable<string> Walk(string folder, string prefix, PathPattern pattern, ulong positions,
        Stack<(ulong, ulong, string)> parents, Func<string, bool> isWanted)
    {
        (ulong, ulong, string) identity = IdentityOf(folder);
        if (parents.Contains(identity))
            yield break;
        parents.Push(identity);
        foreach ((string name, bool isFolder) in Entries(folder))
        {
            ulong next = pattern.Next(positions, name);
            if (next == 0)
                continue;
            if (!isFolder && !(pattern.IsMatch(next) && isWanted(name)))
                continue;
            string path = Path.Combine(folder, name);
            if (name.Contains(Undecodable, StringComparison.Ordinal) && !Path.Exists(path))
                // The number, because several names can look the same.
                report($"{path}: the name is not UTF-8, so {(isFolder ? "its photos are" : "the photo is")} left " +
                    $"out; rename it (name {++_undecodableCount} of this kind)");
            else if (!isFolder)
                yield return prefix + name;
            else
                foreach (string found in Walk(path, $"{prefix}{name}/", pattern, next, parents, isWanted))
                    yield return found;
        }

        parents.Pop();
    }

    private (string Name, bool IsFolder)[] Entries(string folder)
    {
        try
        {
            (string Name, bool IsFolder)[] entries = [.. new FileSystemEnumerable<(string Name, bool IsFolder)>(folder,
                static (ref entry) => (entry.FileName.ToString(), entry.IsDirectory), s_everything)];
            // A folder is compared with its '/', so that the order is that of whole paths.
            Array.Sort(entries, static (first, second) => string.CompareOrdinal(
                first.IsFolder ? first.Name + "/" : first.Name, second.IsFolder ? second.Name + "/" : second.Name));
            return entries;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            report($"{folder}: the folder cannot be read, so its photos are left out: {exception.Message}");
            return [];
        }
    }

    /// <summary>What is equal for all names of a folder.</summary>
    private static (ulong, ulong, string) IdentityOf(string folder) => FileStatus.Of(folder) is { } status
        ? (status.Device, status.Inode, "") : (0, 0, AtomicFile.Resolve(folder));
}
