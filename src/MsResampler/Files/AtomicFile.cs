using System.Buffers.Text;
using System.Security.Cryptography;

namespace MsResampler.Files;

/// <summary>A file that exists under its name only once it is whole and on the disk: written beside it, renamed at
/// the end, removed where the end is never reached. The permissions of a file that is replaced stay, and a symbolic
/// link is written through: it stays, and the file it names is replaced. What killed processes left in the folder is
/// removed first.</summary>
internal sealed class AtomicFile : IDisposable
{
    // Short whatever the file's own name, which may have all of the 255 bytes that file systems allow.
    private const string TemporaryPrefix = ".msresampler-";
    private const string TemporarySuffix = ".tmp";
    private const string LockName = TemporaryPrefix + "lock" + TemporarySuffix;
    private const int RandomBytes = 9;
    private const int MaxAttempts = 10;

    private static readonly EnumerationOptions s_withHidden = new()
    {
        AttributesToSkip = FileAttributes.ReparsePoint,
        IgnoreInaccessible = true,
        MatchCasing = MatchCasing.CaseSensitive,
    };

    private readonly string _temporaryPath;
    private bool _isCommitted;

    /// <summary>Starts a file.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <exception cref="IOException">The folder is missing, the path is a folder's, or links lead in a circle.
    /// </exception>
    /// <exception cref="UnauthorizedAccessException">The folder, or the file that is to be replaced, cannot be
    /// written to.</exception>
    public AtomicFile(string path)
        : this(path, options => new FileStream(options.Path, options.Stream))
    {
    }

    /// <summary>The same with a stream of the caller's, for tests of what is written when.</summary>
    internal AtomicFile(string path, Func<(string Path, FileStreamOptions Stream), FileStream> open)
    {
        Path = Resolve(path);
        string folder = System.IO.Path.GetDirectoryName(Path) ?? throw new IOException($"{path}: this is a folder");
        if (Directory.Exists(Path))
            throw new IOException($"{path}: this is a folder; name a file in it");
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"{path}: the folder {folder} does not exist");
        FileStreamOptions options = new()
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            // A shared flock(2): a sweeping process, which asks for an exclusive one, leaves the file alone; and one
            // that opens the file after it was renamed, before it is closed here, can read it.
            Share = FileShare.Read,
        };
        UnixFileMode? mode = ModeToKeep();
        if (mode is { } kept && !OperatingSystem.IsWindows())
            options.UnixCreateMode = kept;
        (_temporaryPath, Stream) = Create(folder, options, open);
        try
        {
            if (mode is { } exact && !OperatingSystem.IsWindows())
                File.SetUnixFileMode(Stream.SafeFileHandle, exact); // which the umask has narrowed
            Sweep(folder);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The file that is created or replaced, links resolved.</summary>
    public string Path { get; }

    /// <summary>What is written so far.</summary>
    public FileStream Stream { get; }

    /// <summary>Writes the content to the disk and gives the file its name, replacing what had it.</summary>
    /// <exception cref="IOException">The disk is full, or the name cannot be given.</exception>
    /// <exception cref="OperationCanceledException">Cancelled before the file got its name.</exception>
    public void Commit(CancellationToken cancellationToken = default)
    {
        Finish();
        Unfinished.Change(() =>
        {
            cancellationToken.ThrowIfCancellationRequested();
            GiveName();
        });
        Stream.Dispose();
    }

    /// <summary>Commits two files that are only right together. At every moment, also where the process is killed,
    /// there is the old pair, or the new pair, or no <paramref name="key"/>. Of processes that commit to the same
    /// names at once, one comes after the other.</summary>
    /// <param name="first">The file that means nothing without the other.</param>
    /// <param name="key">The file without which the first is not read.</param>
    /// <param name="cancellationToken">Ends the wait for another process.</param>
    public static void CommitPair(AtomicFile first, AtomicFile key, CancellationToken cancellationToken)
    {
        first.Finish();
        key.Finish();
        string folder = System.IO.Path.GetDirectoryName(key.Path)!;
        using (FileLock.Acquire(System.IO.Path.Combine(folder, LockName), cancellationToken))
        {
            Unfinished.Change(() =>
            {
                cancellationToken.ThrowIfCancellationRequested();
                string aside = TemporaryIn(folder);
                bool hadKey = File.Exists(key.Path);
                if (hadKey)
                    File.Move(key.Path, aside);
                try
                {
                    first.GiveName();
                }
                catch when (hadKey)
                {
                    File.Move(aside, key.Path);
                    throw;
                }

                key.GiveName();
                if (hadKey)
                    Unfinished.TryDelete(aside);
            });
        }

        first.Stream.Dispose();
        key.Stream.Dispose();
    }

    /// <summary>Removes the file unless it was committed.</summary>
    public void Dispose()
    {
        try
        {
            Stream.Dispose();
        }
        catch (IOException) when (!_isCommitted)
        {
            // What is still buffered has no room on the disk; the file goes anyway.
        }
        finally
        {
            if (!_isCommitted)
            {
                Unfinished.Change(() =>
                {
                    Unfinished.TryDelete(_temporaryPath);
                    Unfinished.Remove(_temporaryPath);
                });
            }
        }
    }

    /// <summary>The file that a path means, links followed to their end, which may not exist yet.</summary>
    /// <exception cref="IOException">Links lead in a circle.</exception>
    public static string Resolve(string path)
    {
        FileInfo file = new(System.IO.Path.GetFullPath(path));
        return file.LinkTarget is null ? file.FullName : file.ResolveLinkTarget(returnFinalTarget: true)!.FullName;
    }

    private void Finish() => Stream.Flush(flushToDisk: true);

    private void GiveName()
    {
        // Elsewhere the open file is renamed, so that no sweeping process finds it unlocked under its old name.
        if (OperatingSystem.IsWindows())
            Stream.Dispose();
        File.Move(_temporaryPath, Path, overwrite: true);
        _isCommitted = true;
        Unfinished.Remove(_temporaryPath);
    }

    private UnixFileMode? ModeToKeep()
    {
        if (!File.Exists(Path))
            return null;
        // Renaming over a file asks for no right to write it; a user expects that a read-only file stays.
        if (!Environment.IsPrivilegedProcess && (File.GetAttributes(Path) & FileAttributes.ReadOnly) != 0)
            throw new UnauthorizedAccessException($"{Path}: the file may not be written to");
        return OperatingSystem.IsWindows() ? null : File.GetUnixFileMode(Path);
    }

    private static (string Path, FileStream Stream) Create(string folder, FileStreamOptions options,
        Func<(string Path, FileStreamOptions Stream), FileStream> open)
    {
        for (int attempt = 1; ; attempt++)
        {
            string path = TemporaryIn(folder);
            FileStream? stream = null;
            try
            {
                stream = Unfinished.Change(() =>
                {
                    Unfinished.AddFile(path);
                    return open((path, options));
                });
                // A sweeping process may have had it between its creation and its lock.
                if (File.Exists(path) || attempt == MaxAttempts)
                    return (path, stream);
                stream.Dispose();
            }
            catch (IOException exception) when (FileLock.IsHeld(exception) && attempt < MaxAttempts)
            {
                // A sweeping process has it now.
            }
            catch
            {
                Unfinished.TryDelete(path);
                Unfinished.Remove(path);
                throw;
            }

            Unfinished.Remove(path);
        }
    }

    private static string TemporaryIn(string folder) => System.IO.Path.Combine(folder,
        TemporaryPrefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(RandomBytes)) + TemporarySuffix);

    /// <summary>Removes temporary files that no process has open.</summary>
    private void Sweep(string folder)
    {
        // Where files are not locked, this one can be had, and so could those of processes that are alive.
        if (CanBeHad(_temporaryPath))
            return;
        try
        {
            foreach (string path in Directory.EnumerateFiles(folder, TemporaryPrefix + "*" + TemporarySuffix,
                s_withHidden))
                TrySweep(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The folder may be written to and not read.
        }
    }

    private static void TrySweep(string path)
    {
        try
        {
            FileLock.TryAcquire(path)?.Dispose();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Somebody else's file, which is somebody else's to sweep.
        }
    }

    private static bool CanBeHad(string path)
    {
        try
        {
            File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.None).Dispose();
            return true;
        }
        catch (IOException exception)
        {
            return !FileLock.IsHeld(exception);
        }
        catch (UnauthorizedAccessException)
        {
            return true; // A file that replaces one that may be written and not read.
        }
    }
}
