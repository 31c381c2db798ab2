using System.Security;
using System.Security.Cryptography;
using System.Text;
using MsResampler.Files;

namespace MsResampler.Kernels.Compiler;

/// <summary>A folder of compiled kernels that several processes may share. An entry is used only if its checksum and
/// its key are right. A problem with the folder never fails an operation: the kernels are compiled again, and
/// <see cref="Problem"/> says why they are not stored. Members may be called from several threads.</summary>
internal sealed class KernelCache
{
    /// <summary>The environment variable that names the folder; <c>none</c> disables the folder.</summary>
    public const string Variable = "MSRESAMPLER_CACHE";

    private const string Extension = ".kernel";
    private const int MaxFileBytes = 16 << 20;
    private const long MaxFolderBytes = 64 << 20;
    private static readonly Lazy<KernelCache> s_default = new(() => Open(Environment.GetEnvironmentVariable(Variable),
        // Without DoNotVerify, .NET returns an empty path if the folder does not exist.
        Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData,
            Environment.SpecialFolderOption.DoNotVerify), Path.GetTempPath()));
    private static readonly TimeSpan s_abandoned = TimeSpan.FromHours(1);

    private readonly long _maxBytes;
    private string? _problem;

    /// <summary>Creates a cache.</summary>
    /// <param name="folder">The folder, created when the first kernel is written; null for a cache that stores
    /// nothing.</param>
    /// <param name="maxBytes">The largest total size of the folder in bytes; the least recently used kernels are
    /// deleted first.</param>
    public KernelCache(string? folder, long maxBytes = MaxFolderBytes)
    {
        Folder = folder;
        _maxBytes = maxBytes;
    }

    /// <summary>The cache of the process.</summary>
    public static KernelCache Default => s_default.Value;

    /// <summary>The folder; null if nothing is stored.</summary>
    public string? Folder { get; }

    /// <summary>Why kernels are not stored in the folder, or null if there was no problem so far.</summary>
    public string? Problem => Volatile.Read(ref _problem);

    /// <summary>Opens the cache of a process: in the folder that the environment names, else in the user's folder for
    /// local application data, and if that cannot be written, in the folder for temporary files. Everybody may write
    /// there, and cached kernels are executed: a folder that another user could have made or changed is not
    /// used.</summary>
    /// <param name="setting">The value of <see cref="Variable"/>.</param>
    /// <param name="userFolder">The user's folder; empty if there is none.</param>
    /// <param name="temporaryFolder">The folder for temporary files.</param>
    public static KernelCache Open(string? setting, string userFolder, string temporaryFolder)
    {
        if (setting == "none")
            return new KernelCache(folder: null);
        if (!string.IsNullOrWhiteSpace(setting))
            return new KernelCache(setting);
        string own = Path.Combine(userFolder, "msresampler", "kernels");
        if (userFolder.Length > 0 && (OperatingSystem.IsWindows() || CanWrite(own)))
            return new KernelCache(own);
        string temporary = temporaryFolder;
        if (!OperatingSystem.IsWindows()
            && PrivateFolder.TryCreate(temporaryFolder, "msresampler-kernels", out temporary))
        {
            return new KernelCache(temporary);
        }

        return new KernelCache(folder: null)
        {
            _problem = Describe($"neither {(userFolder.Length > 0 ? own : "a folder of the user")} nor {temporary} " +
                "is a folder that this user, and nobody else, can write"),
        };
    }

    /// <summary>Reads a text from the folder, or returns null if it has no valid entry.</summary>
    public string? Read(KernelKey key) => ReadBytes(key) is { } text ? Encoding.UTF8.GetString(text) : null;

    /// <summary>Reads machine code from the folder, or returns null if it has no valid entry.</summary>
    public byte[]? ReadBytes(KernelKey key)
    {
        if (Folder is null)
            return null;
        try
        {
            string path = PathOf(key);
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read,
                FileShare.Read | FileShare.Write | FileShare.Delete);
            if (file.Length > MaxFileBytes)
                return null;
            byte[] content = new byte[file.Length];
            file.ReadExactly(content);
            byte[]? found = Unwrap(key, content);
            if (found is not null)
                Touch(path);
            return found;
        }
        catch (Exception e) when (IsOfFiles(e))
        {
            return null;
        }
    }

    /// <summary>Writes a text to the folder.</summary>
    public void Write(KernelKey key, string text) => WriteBytes(key, Encoding.UTF8.GetBytes(text));

    /// <summary>Writes machine code to the folder, first under a temporary name so that no reader sees a partial
    /// file.</summary>
    public void WriteBytes(KernelKey key, ReadOnlySpan<byte> code)
    {
        if (Folder is null)
            return;
        string path = PathOf(key);
        string unfinished = $"{path}.{Guid.NewGuid():N}";
        try
        {
            Directory.CreateDirectory(Folder);
            Unfinished.AddFile(unfinished);
            File.WriteAllBytes(unfinished, Wrap(key, code));
            File.Move(unfinished, path, overwrite: true);
            Unfinished.Remove(unfinished);
        }
        catch (Exception e) when (IsOfFiles(e))
        {
            Delete(unfinished);
            Unfinished.Remove(unfinished);
            Interlocked.CompareExchange(ref _problem, Describe(e.Message.TrimEnd('.')), null);
            return;
        }

        Trim(Folder);
    }

    private static string Describe(string problem)
        => $"compiled GPU kernels are not stored, and every start compiles them again: {problem}; set {Variable} to " +
            "another folder, or to none to disable it";

    private static bool CanWrite(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
            using FileStream probe = File.Create(Path.Combine(folder, $"{Guid.NewGuid():N}{Extension}.0"), 1,
                FileOptions.DeleteOnClose);
            return true;
        }
        catch (Exception e) when (IsOfFiles(e))
        {
            return false;
        }
    }

    /// <summary>Notes that a file was used.</summary>
    private static void Touch(string path)
    {
        try
        {
            File.SetLastWriteTimeUtc(path, DateTime.UtcNow);
        }
        catch (Exception e) when (IsOfFiles(e))
        {
            // The folder cannot be written, but it can be used.
        }
    }

    /// <summary>Encodes an entry: the checksum of the rest, the key with its length, and the content.</summary>
    private static byte[] Wrap(KernelKey key, ReadOnlySpan<byte> code)
    {
        using var content = new MemoryStream();
        content.Write(new byte[SHA256.HashSizeInBytes]);
        using (var writer = new BinaryWriter(content, Encoding.UTF8, leaveOpen: true))
        {
            writer.Write(key.Text);
            writer.Write(code);
        }

        byte[] bytes = content.ToArray();
        SHA256.HashData(bytes.AsSpan(SHA256.HashSizeInBytes), bytes);
        return bytes;
    }

    private static byte[]? Unwrap(KernelKey key, byte[] content)
    {
        const int Checksum = SHA256.HashSizeInBytes;
        ReadOnlySpan<byte> head = Wrap(key, []);
        return content.Length >= head.Length
            && content.AsSpan(Checksum..head.Length).SequenceEqual(head[Checksum..])
            && SHA256.HashData(content.AsSpan(Checksum)).AsSpan().SequenceEqual(content.AsSpan(0, Checksum))
            ? content[head.Length..]
            : null;
    }

    /// <summary>Deletes the least recently used kernels beyond the limit, and partial files that a terminated
    /// process left.</summary>
    private void Trim(string folder)
    {
        long bytes = 0;
        try
        {
            foreach (FileInfo file in new DirectoryInfo(folder).EnumerateFiles($"*{Extension}*")
                .OrderByDescending(file => file.LastWriteTimeUtc))
            {
                bool isUnfinished = file.Extension != Extension;
                if (!isUnfinished)
                    bytes += file.Length;
                if (isUnfinished ? DateTime.UtcNow - file.LastWriteTimeUtc > s_abandoned : bytes > _maxBytes)
                    Delete(file.FullName);
            }
        }
        catch (Exception e) when (IsOfFiles(e))
        {
            // Another process deleted a listed file, or the folder cannot be listed. The next write tries again.
        }
    }

    private static void Delete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (IsOfFiles(e))
        {
            // Another process has the file open or deleted it. The next write tries again.
        }
    }

    private static bool IsOfFiles(Exception e) =>
        e is IOException or UnauthorizedAccessException or SecurityException or NotSupportedException
            or ArgumentException;

    private string PathOf(KernelKey key) => Path.Combine(Folder!, key.FileName + Extension);
}
