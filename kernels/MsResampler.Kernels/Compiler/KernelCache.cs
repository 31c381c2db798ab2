using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Security;
using System.Security.Cryptography;
using System.Text;
using MsResampler.Files;

namespace MsResampler.Kernels.Compiler;

/// <summary>A cache of compiled kernels, in memory and in a folder that several processes may share. An entry of the
/// folder is used only if its checksum and its key are right. A problem with the folder never fails an operation:
/// the kernels are compiled again, and <see cref="Problem"/> says why they are not stored. Members may be called
/// from several threads.</summary>
internal sealed class KernelCache
{
    /// <summary>The environment variable that names the folder; <c>none</c> disables the folder.</summary>
    public const string Variable = "MSRESAMPLER_CACHE";

    private const string Extension = ".kernel";
    private const int MaxFileBytes = 16 << 20;
    private const long MaxFolderBytes = 64 << 20;
    private static readonly Lazy<KernelCache> s_default = new(() => new KernelCache(FolderOf(
        Environment.GetEnvironmentVariable(Variable))));
    private static readonly TimeSpan s_abandoned = TimeSpan.FromHours(1);

    private readonly ConcurrentDictionary<KernelKey, CompiledKernel> _kernels = new();
    private readonly string? _folder;
    private readonly long _maxBytes;
    private string? _problem;

    /// <summary>Creates a cache.</summary>
    /// <param name="folder">The folder, created when the first kernel is written; null for a cache in memory
    /// only.</param>
    /// <param name="maxBytes">The largest total size of the folder in bytes; the least recently used kernels are
    /// deleted first.</param>
    public KernelCache(string? folder, long maxBytes = MaxFolderBytes)
    {
        _folder = folder;
        _maxBytes = maxBytes;
    }

    /// <summary>The cache of the process. Its folder is the one that the environment names, by default one in the
    /// user's folder for local application data.</summary>
    public static KernelCache Default => s_default.Value;

    /// <summary>Why kernels are not stored in the folder, or null if every write succeeded.</summary>
    public string? Problem => Volatile.Read(ref _problem);

    /// <summary>The folder for a value of <see cref="Variable"/>, whether or not it exists; null for
    /// <c>none</c>.</summary>
    public static string? FolderOf(string? setting)
    {
        if (setting == "none")
            return null;
        // Without DoNotVerify, .NET returns an empty path if the user's folder does not exist. A write creates it,
        // and reports an error if that fails.
        return string.IsNullOrWhiteSpace(setting) ? Path.Combine(Environment.GetFolderPath(
            Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify),
            "msresampler", "kernels") : setting;
    }

    /// <summary>Finds a kernel in memory.</summary>
    public bool TryGet(KernelKey key, [NotNullWhen(true)] out CompiledKernel? kernel) =>
        _kernels.TryGetValue(key, out kernel);

    /// <summary>Reads a kernel's text from the folder, or returns null if it has no valid entry.</summary>
    public string? Read(KernelKey key)
    {
        if (_folder is null)
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
            if (Unwrap(key, content) is not { } ptx)
                return null;
            File.SetLastWriteTimeUtc(path, DateTime.UtcNow);
            return ptx;
        }
        catch (Exception e) when (IsOfFiles(e))
        {
            return null;
        }
    }

    /// <summary>Stores a kernel in memory.</summary>
    public void Add(KernelKey key, CompiledKernel kernel) => _kernels[key] = kernel;

    /// <summary>Writes a kernel's text to the folder, first under a temporary name so that no reader sees a partial
    /// file.</summary>
    public void Write(KernelKey key, string ptx)
    {
        if (_folder is null)
            return;
        string path = PathOf(key);
        string unfinished = $"{path}.{Guid.NewGuid():N}";
        try
        {
            Directory.CreateDirectory(_folder);
            Unfinished.AddFile(unfinished);
            File.WriteAllBytes(unfinished, Wrap(key, ptx));
            File.Move(unfinished, path, overwrite: true);
            Unfinished.Remove(unfinished);
        }
        catch (Exception e) when (IsOfFiles(e))
        {
            Delete(unfinished);
            Unfinished.Remove(unfinished);
            Interlocked.CompareExchange(ref _problem, "compiled GPU kernels are not stored, and every start compiles " +
                $"them again: {e.Message.TrimEnd('.')}; set {Variable} to another folder, or to none to disable it",
                null);
            return;
        }

        Trim(_folder);
    }

    /// <summary>Encodes an entry: the checksum of the rest, the key, and the text, the latter two with their
    /// lengths.</summary>
    private static byte[] Wrap(KernelKey key, string ptx)
    {
        using var content = new MemoryStream();
        content.Write(new byte[SHA256.HashSizeInBytes]);
        using (var writer = new BinaryWriter(content, Encoding.UTF8, leaveOpen: true))
        {
            writer.Write(key.Text);
            writer.Write(ptx);
        }

        byte[] bytes = content.ToArray();
        SHA256.HashData(bytes.AsSpan(SHA256.HashSizeInBytes), bytes);
        return bytes;
    }

    private static string? Unwrap(KernelKey key, byte[] content)
    {
        if (content.Length < SHA256.HashSizeInBytes
            || !SHA256.HashData(content.AsSpan(SHA256.HashSizeInBytes))
                .AsSpan().SequenceEqual(content.AsSpan(0, SHA256.HashSizeInBytes)))
        {
            return null;
        }

        using var reader = new BinaryReader(new MemoryStream(content, SHA256.HashSizeInBytes,
            content.Length - SHA256.HashSizeInBytes), Encoding.UTF8);
        return reader.ReadString() == key.Text ? reader.ReadString() : null;
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

    private string PathOf(KernelKey key) => Path.Combine(_folder!, key.FileName + Extension);
}
