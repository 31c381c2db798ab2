namespace MsResampler.Files;

/// <summary>A lock between processes that is a file, gone once the lock is released. A process that dies releases
/// its locks; the file that it leaves is taken over or swept.</summary>
internal sealed class FileLock : IDisposable
{
    private const int RetryMilliseconds = 5;
    private const int SharingViolation = unchecked((int)0x80070020);
    private const int WouldBlockLinux = 11;
    private const int WouldBlockBsd = 35;

    private readonly FileStream _file;
    private readonly string _path;

    private FileLock(FileStream file, string path)
    {
        _file = file;
        _path = path;
    }

    /// <summary>Waits until this process has the lock.</summary>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder cannot be written to.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    public static FileLock Acquire(string path, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (TryAcquire(path, FileMode.OpenOrCreate) is { } acquired)
                return acquired;
            cancellationToken.WaitHandle.WaitOne(RetryMilliseconds);
        }
    }

    /// <summary>Takes a file that no process has open, to delete it: locked by nobody else, and still under its
    /// name.</summary>
    /// <returns>The lock; null where another process has the file open, or has just deleted it.</returns>
    public static FileLock? TryAcquire(string path) => TryAcquire(path, FileMode.Open);

    /// <summary>Deletes the file and releases the lock, in this order: whoever waits finds either the locked file or
    /// none.</summary>
    public void Dispose()
    {
        Unfinished.Change(() =>
        {
            Unfinished.TryDelete(_path);
            Unfinished.Remove(_path);
        });
        _file.Dispose();
    }

    /// <summary>Whether an error says that another process has a file locked.</summary>
    public static bool IsHeld(IOException exception)
        => exception.HResult == (OperatingSystem.IsWindows() ? SharingViolation
            : OperatingSystem.IsLinux() ? WouldBlockLinux : WouldBlockBsd);

    private static FileLock? TryAcquire(string path, FileMode mode) => Unfinished.Change(() =>
    {
        FileStream? file = null;
        try
        {
            // FileShare.None is an exclusive flock(2) that waits for no one. Read and write, so that a named pipe in
            // the way is opened without its other end.
            file = new FileStream(path, mode, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
            if (!file.CanSeek || !IsNamed(file, path))
                return null;
            Unfinished.AddFile(path);
            FileLock result = new(file, path);
            file = null;
            return result;
        }
        catch (IOException exception) when (IsHeld(exception)
            || (mode == FileMode.Open && exception is FileNotFoundException))
        {
            return null;
        }
        finally
        {
            file?.Dispose();
        }
    });

    /// <summary>Whether the path still means the file that is open. Between opening and locking, the process that
    /// had the lock may have deleted the file, and a third one may have made and locked another. A time that nobody
    /// else chooses, set through the handle and read through the path, tells them apart.</summary>
    private static bool IsNamed(FileStream file, string path)
    {
        // Whole seconds of about 40 years, for file systems that keep no fractions.
        DateTime mark = DateTime.UnixEpoch.AddSeconds(2 * Random.Shared.NextInt64(1 << 29));
        File.SetLastWriteTimeUtc(file.SafeFileHandle, mark);
        return File.GetLastWriteTimeUtc(path) == mark;
    }
}
