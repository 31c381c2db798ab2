namespace MsResampler.Files;

/// <summary>The files and folders that this process has begun and not finished. A process that has to end at once
/// removes them with <see cref="Abandon"/>; nothing can be begun, renamed or finished from then on.</summary>
internal static class Unfinished
{
    private static readonly object s_gate = new();
    private static readonly HashSet<string> s_files = [];
    private static readonly HashSet<string> s_folders = [];

    /// <summary>Changes names: creates, renames or deletes. Runs wholly before <see cref="Abandon"/> or never.</summary>
    public static T Change<T>(Func<T> change)
    {
        lock (s_gate)
            return change();
    }

    /// <inheritdoc cref="Change{T}(Func{T})"/>
    public static void Change(Action change)
    {
        lock (s_gate)
            change();
    }

    /// <summary>Notes a file that is to go unless it is finished.</summary>
    public static void AddFile(string path) => Change(() => s_files.Add(path));

    /// <summary>Notes a folder that is to go, if nothing is left in it, unless it is finished.</summary>
    public static void AddFolder(string path) => Change(() => s_folders.Add(path));

    /// <summary>Takes a file or a folder off the list.</summary>
    public static void Remove(string path) => Change(() => s_files.Remove(path) | s_folders.Remove(path));

    /// <summary>Stops every change and removes what is unfinished. For a process that ends now: the calling thread
    /// keeps all others out for good.</summary>
    /// <param name="patience">How long to wait for a change under way.</param>
    /// <returns>Whether everything was removed; false where a change does not end.</returns>
    public static bool Abandon(TimeSpan patience)
    {
        if (!Monitor.TryEnter(s_gate, patience))
            return false;
        foreach (string file in s_files)
            TryDelete(file);
        // The longest path first: a folder within another goes before it.
        foreach (string folder in s_folders.OrderByDescending(folder => folder.Length))
            TryDeleteFolder(folder);
        return true;
    }

    /// <summary>Deletes a file if that is possible.</summary>
    public static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The folder is gone or can no longer be written to: nothing more can be done about the file.
        }
    }

    /// <summary>Deletes a folder if it is empty.</summary>
    public static void TryDeleteFolder(string path)
    {
        try
        {
            Directory.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Somebody else's files are in it, or it is gone.
        }
    }
}
