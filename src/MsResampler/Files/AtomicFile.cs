using System.Buffers.Text;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

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

    private readonly FileStream _file;
    private readonly string _temporaryPath;
    private bool _isCommitted;

    /// <summary>Starts a file.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <exception cref="IOException">The folder is missing, the path is a folder's, or links lead in a circle.
    /// </exception>
    /// <exception cref="UnauthorizedAccessException">The folder, or the file that is to be replaced, cannot be
    /// written to.</exception>
    public AtomicFile(string path)
        : this(path, (temporary, options) => new FileStream(temporary, options))
    {
    }

    /// <summary>The same with a stream of the caller's, for tests of what is written when.</summary>
    internal AtomicFile(string path, Func<string, FileStreamOptions, FileStream> open)
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
        (_temporaryPath, _file) = Create(path, folder, options, open);
        Stream = new NamedStream(_file, path);
        try
        {
            if (mode is { } exact && !OperatingSystem.IsWindows())
                File.SetUnixFileMode(Handle, exact); // which the umask has narrowed
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
    public Stream Stream { get; }

    /// <summary>The open file.</summary>
    public SafeFileHandle Handle => _file.SafeFileHandle;

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
        _file.Dispose();
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

        first._file.Dispose();
        key._file.Dispose();
    }

    /// <summary>Removes the file unless it was committed.</summary>
    public void Dispose()
    {
        try
        {
            _file.Dispose();
        }
        catch (Exception exception) when (!_isCommitted && IsOfWriting(exception))
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

    private void Finish()
    {
        try
        {
            _file.Flush(flushToDisk: true);
        }
        catch (Exception exception) when (IsOfWriting(exception))
        {
            throw Named(exception, Path);
        }
    }

    // .NET calls a file beyond the limit of the file system, or of the process, an argument out of range.
    private static bool IsOfWriting(Exception exception) => exception is IOException or ArgumentOutOfRangeException;

    private static IOException Named(Exception exception, string path) => new(exception is ArgumentOutOfRangeException
        ? $"{path}: the file would be larger than the file system, or this process (ulimit -f), allows"
        : $"{path}: {exception.Message.Split(" : ")[0]}", exception);

    private void GiveName()
    {
        // Elsewhere the open file is renamed, so that no sweeping process finds it unlocked under its old name.
        if (OperatingSystem.IsWindows())
            _file.Dispose();
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
            throw new UnauthorizedAccessException($"{Path}: the file is read-only");
        return OperatingSystem.IsWindows() ? null : File.GetUnixFileMode(Path);
    }

    private static (string Path, FileStream Stream) Create(string target, string folder,
        FileStreamOptions options,
        Func<string, FileStreamOptions, FileStream> open)
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
                    return open(path, options);
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
            catch (UnauthorizedAccessException exception)
            {
                Unfinished.Remove(path);
                throw new UnauthorizedAccessException($"{target}: the folder {folder} cannot be written to", exception);
            }
            catch (FileNotFoundException exception)
            {
                Unfinished.Remove(path);
                throw new IOException($"{target}: the folder {folder} takes no new files", exception);
            }
            catch (IOException exception)
            {
                Unfinished.TryDelete(path);
                Unfinished.Remove(path);
                throw Named(exception, target);
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

    /// <summary>What a caller writes to: errors name the file that is meant, not the temporary one.</summary>
    private sealed class NamedStream(FileStream file, string path) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => file.Length;

        public override long Position
        {
            get => file.Position;
            set => throw new NotSupportedException();
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            try
            {
                file.Write(buffer);
            }
            catch (Exception exception) when (IsOfWriting(exception))
            {
                throw Named(exception, path);
            }
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush()
        {
            try
            {
                file.Flush();
            }
            catch (Exception exception) when (IsOfWriting(exception))
            {
                throw Named(exception, path);
            }
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
