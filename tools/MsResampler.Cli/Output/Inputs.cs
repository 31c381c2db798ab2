using MsResampler.Files;

namespace MsResampler.Cli.Output;

/// <summary>The files that a command reads. Its output must not replace them, even under another name: a link, another
/// spelling, or different case on a file system that ignores case.</summary>
internal sealed class Inputs
{
    private const string ConfigName = "config.json";
    private const string WeightsSuffix = ".safetensors";
    private const string IndexSuffix = ".safetensors.index.json";

    private static readonly StringComparer s_comparer = OperatingSystem.IsLinux()
        ? StringComparer.Ordinal : StringComparer.OrdinalIgnoreCase;

    // By inode on Linux, which also detects hard links and mounts, and by name.
    private readonly Dictionary<(ulong Device, ulong Inode), string> _byStatus = [];
    private readonly Dictionary<string, string> _byPath = new(s_comparer);
    private readonly HashSet<string> _modelFolders = new(s_comparer);

    /// <summary>Adds a file.</summary>
    /// <param name="path">The file; ignored if it does not exist.</param>
    /// <param name="role">The role of the file in this command, for error messages.</param>
    public Inputs Add(string path, string role = "an input of this command")
    {
        if (!File.Exists(path))
            return this;
        if (FileStatus.Of(path) is { } status)
            _byStatus.TryAdd((status.Device, status.Inode), role);
        _byPath.TryAdd(Canonical(path), role);
        return this;
    }

    /// <summary>Adds a model: its configuration and all files that the command reads as weights.</summary>
    /// <param name="path">A folder, or a checkpoint in a folder.</param>
    public Inputs AddModel(string path)
    {
        if (File.Exists(path) && !path.EndsWith(IndexSuffix, StringComparison.OrdinalIgnoreCase))
        {
            string folder = Path.GetDirectoryName(Path.GetFullPath(path)) ?? "";
            return Add(path, "the model").Add(Path.Combine(folder, ConfigName), $"{ConfigName} of the model {path}");
        }

        if (File.Exists(path))
            path = Path.GetDirectoryName(Path.GetFullPath(path)) ?? "";
        if (!Directory.Exists(path))
            return this;
        _modelFolders.Add(Canonical(path));
        foreach (string file in Directory.EnumerateFiles(path).Where(file => IsOfModel(Path.GetFileName(file))))
            Add(file, $"{Path.GetFileName(file)} of the model {path}");
        return this;
    }

    /// <summary>Checks that the command may create or replace a file.</summary>
    /// <exception cref="InputException">The file is an input, or would become a part of the model.</exception>
    public void Check(string path)
    {
        string canonical = Canonical(path);
        string? role = _byPath.GetValueOrDefault(canonical);
        if (role is null && FileStatus.Of(path) is { } status)
            role = _byStatus.GetValueOrDefault((status.Device, status.Inode));
        if (role is not null)
            throw new InputException($"{path}: this is {role}, which must not be replaced; choose another name");
        if (IsOfModel(Path.GetFileName(canonical)) && _modelFolders.Contains(Path.GetDirectoryName(canonical) ?? ""))
            throw new InputException($"{path}: a file with this name would become a part of the model; choose " +
                "another folder");
    }

    private static bool IsOfModel(string name) => name.Equals(ConfigName, StringComparison.OrdinalIgnoreCase)
        || name.EndsWith(WeightsSuffix, StringComparison.OrdinalIgnoreCase)
        || name.EndsWith(IndexSuffix, StringComparison.OrdinalIgnoreCase);

    /// <summary>Resolves all links of a path, including those of its folders.</summary>
    private static string Canonical(string path)
    {
        string full = AtomicFile.Resolve(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        return Path.GetDirectoryName(full) is { } folder
            ? Path.Combine(Canonical(folder), Path.GetFileName(full)) : full;
    }
}
