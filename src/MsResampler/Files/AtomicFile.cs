using System.Buffers.Text;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace MsResampler.Files;

/// <summary>Writes a file atomically: the content goes to a temporary file in the same folder, which is renamed when
/// it is complete and on the disk, and deleted otherwise. A replaced file keeps its permissions. A symbolic link is
/// followed: the link stays and its target is replaced. Temporary files of killed processes are removed
/// first.</summary>
internal sealed class AtomicFile : IDisposable
{
    // Independent of the file's name, which may use all of the 255 bytes that file systems allow.
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

    /// <summary>Creates the temporary file.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <exception cref="IOException">The folder does not exist, the path is a folder, or symbolic links form a
    /// cycle.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder or the existing file is not writable.</exception>
    public AtomicFile(string path)
        : this(path, (temporary, options) => new FileStream(temporary, options))
    {
    }

    /// <summary>Creates the temporary file through <paramref name="open"/>, so that tests can observe the
    /// writes.</summary>
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
            // Takes a shared flock(2). A process that removes leftover files needs an exclusive lock and skips this
            // file. A process that opens the file between its renaming and its closing can read it.
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
                File.SetUnixFileMode(Handle, exact); // The umask may have removed bits.
            Sweep(folder);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The file that is created or replaced, with symbolic links resolved.</summary>
    public string Path { get; }

    /// <summary>The stream for the content.</summary>
    public Stream Stream { get; }

    /// <summary>The handle of the temporary file.</summary>
    public SafeFileHandle Handle => _file.SafeFileHandle;

    /// <summary>Flushes the content to the disk and renames the file, which replaces an existing file.</summary>
    /// <exception cref="IOException">The disk is full, or the file cannot be renamed.</exception>
    /// <exception cref="OperationCanceledException">The call was cancelled before the file was renamed.</exception>
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

    /// <summary>Commits two files that belong together. At any time, also after the process was killed, the folder
    /// contains the old pair, the new pair, or no <paramref name="key"/>. Processes that commit to the same names
    /// take turns.</summary>
    /// <param name="first">The file that readers use only together with <paramref name="key"/>.</param>
    /// <param name="key">The file that readers open first.</param>
    /// <param name="cancellationToken">Cancels the wait for another process.</param>
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

    /// <summary>Deletes the temporary file unless it was committed.</summary>
    public void Dispose()
    {
        try
        {
            _file.Dispose();
        }
        catch (Exception exception) when (!_isCommitted && IsOfWriting(exception))
        {
            // Buffered data could not be written; the file is deleted anyway.
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

    /// <summary>The path with all symbolic links resolved. The target need not exist.</summary>
    /// <exception cref="IOException">Symbolic links form a cycle.</exception>
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

    // .NET throws ArgumentOutOfRangeException if a file exceeds the size limit of the file system or of the process.
    private static bool IsOfWriting(Exception exception) => exception is IOException or ArgumentOutOfRangeException;

    private static IOException Named(Exception exception, string path) => new(exception is ArgumentOutOfRangeException
        ? $"{path}: the file would be larger than the file system, or this process (ulimit -f), allows"
        : $"{path}: {exception.Message.Split(" : ")[0]}", exception);

    private void GiveName()
    {
        // On other systems the file is renamed while it is open, so that no process finds it unlocked under its old
        // name.
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
        try
        {
            // Renaming replaces a file even if it is read-only, but users expect a read-only file to stay.
            if (!Environment.IsPrivilegedProcess && (File.GetAttributes(Path) & FileAttributes.ReadOnly) != 0)
                throw new UnauthorizedAccessException($"{Path}: the file is read-only");
            return OperatingSystem.IsWindows() ? null : File.GetUnixFileMode(Path);
        }
        catch (FileNotFoundException)
        {
            return null; // another process has removed it meanwhile
        }
    }

    private static (string Path, FileStream Stream) Create(string target, string folder, FileStreamOptions options,
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
                // Another process may have deleted it between its creation and its locking.
                if (File.Exists(path) || attempt == MaxAttempts)
                    return (path, stream);
                stream.Dispose();
            }
            catch (IOException exception) when (FileLock.IsHeld(exception) && attempt < MaxAttempts)
            {
                // Another process has locked the file to delete it.
            }
            catch (UnauthorizedAccessException exception)
            {
                Unfinished.Remove(path);
                throw new UnauthorizedAccessException($"{target}: the folder {folder} cannot be written to", exception);
            }
            catch (FileNotFoundException exception)
            {
                Unfinished.Remove(path);
                throw new IOException($"{target}: no file can be created in the folder {folder}", exception);
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

    /// <summary>Deletes temporary files that no process has open.</summary>
    private void Sweep(string folder)
    {
        // If this file can be locked exclusively, the file system does not support locks, and files of running
        // processes could not be told from leftover ones.
        if (CanBeLocked(_temporaryPath))
            return;
        try
        {
            foreach (string path in Directory.EnumerateFiles(folder, TemporaryPrefix + "*" + TemporarySuffix,
                s_withHidden))
                TrySweep(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The folder is writable but not readable.
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
            // The file belongs to another user.
        }
    }

    private static bool CanBeLocked(string path)
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
            return true; // The file has the mode of a file that is writable but not readable.
        }
    }

    /// <summary>The stream for the content. Its exceptions name the final file instead of the temporary
    /// one.</summary>
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
