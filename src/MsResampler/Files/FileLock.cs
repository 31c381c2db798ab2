namespace MsResampler.Files;

/// <summary>A lock between processes, held on a file that is deleted when the lock is released. The operating system
/// releases the locks of a process that dies; its lock file is reused or deleted later.</summary>
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
    /// <exception cref="UnauthorizedAccessException">The folder is not writable.</exception>
    /// <exception cref="DirectoryNotFoundException">The folder does not exist.</exception>
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

    /// <summary>Takes the lock if no other process has it.</summary>
    /// <returns>The lock; null if another process has it.</returns>
    /// <inheritdoc cref="Acquire" path="/exception"/>
    public static FileLock? TryCreate(string path) => TryAcquire(path, FileMode.OpenOrCreate);

    /// <summary>Locks an existing file in order to delete it.</summary>
    /// <returns>The lock; null if another process has the file open or has just deleted it.</returns>
    public static FileLock? TryAcquire(string path) => TryAcquire(path, FileMode.Open);

    /// <summary>Deletes the file and then releases the lock. In this order, a waiting process finds either a locked
    /// file or no file.</summary>
    public void Dispose()
    {
        Unfinished.Change(() =>
        {
            Unfinished.TryDelete(_path);
            Unfinished.Remove(_path);
        });
        _file.Dispose();
    }

    /// <summary>Whether the exception means that another process has locked the file.</summary>
    public static bool IsHeld(IOException exception)
        => exception.HResult == (OperatingSystem.IsWindows() ? SharingViolation
            : OperatingSystem.IsLinux() ? WouldBlockLinux : WouldBlockBsd);

    private static FileLock? TryAcquire(string path, FileMode mode) => Unfinished.Change(() =>
    {
        FileStream? file = null;
        try
        {
            // FileShare.None takes an exclusive flock(2) and does not wait. With read and write access, opening a
            // named pipe of this name does not wait for its other end.
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

    /// <summary>Whether the path still refers to the open file. Between opening and locking, the previous owner of
    /// the lock may have deleted the file, and a third process may have created and locked another one. To tell them
    /// apart, a random time is set through the handle and read through the path.</summary>
    private static bool IsNamed(FileStream file, string path)
    {
        // Even seconds within about 34 years, for file systems with a resolution of two seconds.
        DateTime mark = DateTime.UnixEpoch.AddSeconds(2 * Random.Shared.NextInt64(1 << 29));
        File.SetLastWriteTimeUtc(file.SafeFileHandle, mark);
        return File.GetLastWriteTimeUtc(path) == mark;
    }
}
