using MsResampler.Cli.Native;
using MsResampler.Files;

namespace MsResampler.Cli.Output;

/// <summary>The files that a command reads, which what it writes may not replace, whatever name it is given: links,
/// other spellings, names that differ in case where the file system takes them for one.</summary>
internal sealed class Inputs
{
    private const string ConfigName = "config.json";
    private const string WeightsSuffix = ".safetensors";
    private const string IndexSuffix = ".safetensors.index.json";

    private static readonly StringComparer s_comparer = OperatingSystem.IsLinux()
        ? StringComparer.Ordinal : StringComparer.OrdinalIgnoreCase;

    // By inode where the system tells, which knows hard links and mounts too; and by name.
    private readonly Dictionary<(ulong Device, ulong Inode), string> _byStatus = [];
    private readonly Dictionary<string, string> _byPath = new(s_comparer);
    private readonly HashSet<string> _modelFolders = new(s_comparer);

    /// <summary>Adds a file.</summary>
    /// <param name="path">The file; one that does not exist is no input.</param>
    /// <param name="role">What it is to this command, for errors.</param>
    public Inputs Add(string path, string role = "an input of this command")
    {
        if (!File.Exists(path))
            return this;
        if (FileStatus.Of(path) is { } status)
            _byStatus.TryAdd((status.Device, status.Inode), role);
        _byPath.TryAdd(Canonical(path), role);
        return this;
    }

    /// <summary>Adds a model folder: its configuration, and whatever is or would be taken for weights.</summary>
    public Inputs AddModel(string folder)
    {
        if (!Directory.Exists(folder))
            return this;
        _modelFolders.Add(Canonical(folder));
        foreach (string path in Directory.EnumerateFiles(folder).Where(path => IsOfModel(Path.GetFileName(path))))
            Add(path, $"{Path.GetFileName(path)} of the model {folder}");
        return this;
    }

    /// <summary>Checks that a file may be created or replaced.</summary>
    /// <exception cref="InputException">It is one of the inputs, or would become a part of the model.</exception>
    public void Check(string path)
    {
        string canonical = Canonical(path);
        string? role = _byPath.GetValueOrDefault(canonical);
        if (role is null && FileStatus.Of(path) is { } status)
            role = _byStatus.GetValueOrDefault((status.Device, status.Inode));
        if (role is not null)
            throw new InputException($"{path}: this is {role}, which would be replaced; give the output another name");
        if (IsOfModel(Path.GetFileName(canonical)) && _modelFolders.Contains(Path.GetDirectoryName(canonical) ?? ""))
            throw new InputException($"{path}: a file of this name would be taken for a part of the model; write it " +
                "to another folder");
    }

    private static bool IsOfModel(string name) => name.Equals(ConfigName, StringComparison.OrdinalIgnoreCase)
        || name.EndsWith(WeightsSuffix, StringComparison.OrdinalIgnoreCase)
        || name.EndsWith(IndexSuffix, StringComparison.OrdinalIgnoreCase);

    /// <summary>The path without links, of folders too.</summary>
    private static string Canonical(string path)
    {
        string full = AtomicFile.Resolve(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        return Path.GetDirectoryName(full) is { } folder
            ? Path.Combine(Canonical(folder), Path.GetFileName(full)) : full;
    }
}
