using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Security;
using System.Security.Cryptography;
using System.Text;
using MsResampler.Files;

namespace MsResampler.Kernels.Compiler;

/// <summary>Compiled kernels, in memory and in a folder that processes may share. What the folder holds is believed
/// only if its checksum and its key are right; whatever goes wrong with it, kernels are compiled again and nothing
/// fails: <see cref="Problem"/> says why kernels are not kept. Members may be used from many threads.</summary>
internal sealed class KernelCache
{
    /// <summary>The environment variable that names the folder; <c>none</c> keeps kernels in memory alone.</summary>
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
    /// <param name="folder">The folder, made when the first kernel is written; null keeps kernels in memory
    /// alone.</param>
    /// <param name="maxBytes">Bytes that the folder may hold; the kernels not used for longest go first.</param>
    public KernelCache(string? folder, long maxBytes = MaxFolderBytes)
    {
        _folder = folder;
        _maxBytes = maxBytes;
    }

    /// <summary>The process's cache, in the folder that the environment names or else in the user's folder for
    /// applications' local data.</summary>
    public static KernelCache Default => s_default.Value;

    /// <summary>Why kernels are not kept on disk although they should be; null as long as every one written was
    /// kept.</summary>
    public string? Problem => Volatile.Read(ref _problem);

    /// <summary>The folder that a value of <see cref="Variable"/> means, whether or not it exists; null for
    /// <c>none</c>.</summary>
    public static string? FolderOf(string? setting)
    {
        if (setting == "none")
            return null;
        // Unverified: where the user's folder is still missing it is made, and where it cannot be the first write says so.
        return string.IsNullOrWhiteSpace(setting) ? Path.Combine(Environment.GetFolderPath(
            Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify),
            "msresampler", "kernels") : setting;
    }

    /// <summary>Finds a kernel in memory.</summary>
    public bool TryGet(KernelKey key, [NotNullWhen(true)] out CompiledKernel? kernel) =>
        _kernels.TryGetValue(key, out kernel);

    /// <summary>Finds a kernel's text in the folder.</summary>
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

    /// <summary>Keeps a kernel in memory.</summary>
    public void Add(KernelKey key, CompiledKernel kernel) => _kernels[key] = kernel;

    /// <summary>Writes a kernel's text to the folder, under another name first so that nobody reads half of
    /// it.</summary>
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
            Interlocked.CompareExchange(ref _problem, "compiled GPU kernels are not kept, so that every start compiles " +
                $"them anew: {e.Message.TrimEnd('.')} ({Variable} names another folder, or none to keep none)", null);
            return;
        }

        Trim(_folder);
    }

    /// <summary>The checksum of all that follows, the key and the text, each with its length.</summary>
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

    /// <summary>Deletes what was not used for longest, and what a process that died left unfinished.</summary>
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
            // Another process has deleted a file that was listed, or the folder may not be listed; the next write tries
            // again.
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
            // Another process has it open or has deleted it; the next one to write tries again.
        }
    }

    private static bool IsOfFiles(Exception e) =>
        e is IOException or UnauthorizedAccessException or SecurityException or NotSupportedException
            or ArgumentException;

    private string PathOf(KernelKey key) => Path.Combine(_folder!, key.FileName + Extension);
}
