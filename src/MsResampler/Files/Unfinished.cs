namespace MsResampler.Files;

/// <summary>The temporary files and folders of this process. A process that must end at once deletes them with
/// <see cref="Abandon"/>, which also prevents further changes.</summary>
internal static class Unfinished
{
    private static readonly object s_gate = new();
    private static readonly HashSet<string> s_files = [];
    private static readonly HashSet<string> s_folders = [];

    /// <summary>Runs an action that creates, renames or deletes files. It completes before <see cref="Abandon"/> or
    /// does not run.</summary>
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

    /// <summary>Registers a file that <see cref="Abandon"/> deletes.</summary>
    public static void AddFile(string path) => Change(() => s_files.Add(path));

    /// <summary>Registers a folder that <see cref="Abandon"/> deletes if it is empty.</summary>
    public static void AddFolder(string path) => Change(() => s_folders.Add(path));

    /// <summary>Unregisters a file or a folder.</summary>
    public static void Remove(string path) => Change(() => s_files.Remove(path) | s_folders.Remove(path));

    /// <summary>Prevents further changes and deletes the registered files and folders. Only for a process that ends:
    /// the calling thread never releases its lock.</summary>
    /// <param name="patience">The time to wait for a change in progress.</param>
    /// <returns>False if a change in progress did not finish in time; then nothing was deleted.</returns>
    public static bool Abandon(TimeSpan patience)
    {
        if (!Monitor.TryEnter(s_gate, patience))
            return false;
        foreach (string file in s_files)
            TryDelete(file);
        // The longest path first, so that nested folders are deleted before their parents.
        foreach (string folder in s_folders.OrderByDescending(folder => folder.Length))
            TryDeleteFolder(folder);
        return true;
    }

    /// <summary>Deletes a file if possible.</summary>
    public static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The folder no longer exists or is not writable, so the file cannot be deleted.
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
            // The folder contains other files or no longer exists.
        }
    }
}
