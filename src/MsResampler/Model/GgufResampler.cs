using MsResampler.Gguf;
using MsResampler.Safetensors;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Model;

/// <summary>Recognises the resampler in an <c>mmproj</c> file of llama.cpp, and derives its configuration from its
/// tensors and the version of the model.</summary>
internal static class GgufResampler
{
    private const string Projector = "resampler";
    private const string ProjectorKey = "clip.projector_type";
    private const string VisionProjectorKey = "clip.vision.projector_type";
    private const string VersionKey = "clip.minicpmv_version";
    private const int MaxListedCount = 5;
    private const int MaxExtent = 1 << 24;

    private static readonly string[] s_roles =
    [
        "query", "kv.weight", "proj.weight",
        "ln_q.weight", "ln_q.bias", "ln_kv.weight", "ln_kv.bias", "ln_post.weight", "ln_post.bias",
        "attn.q.weight", "attn.q.bias", "attn.k.weight", "attn.k.bias", "attn.v.weight", "attn.v.bias",
        "attn.out.weight", "attn.out.bias",
    ];

    // The numbers of llama.cpp.
    private static readonly Dictionary<long, CheckpointLayout> s_versions = new()
    {
        [2] = CheckpointLayout.MiniCpmV25,
        [3] = CheckpointLayout.MiniCpmV26,
        [4] = CheckpointLayout.MiniCpmO26,
        [5] = CheckpointLayout.MiniCpmV40,
        [6] = CheckpointLayout.MiniCpmV45,
        [100045] = CheckpointLayout.MiniCpmO45,
    };

    /// <summary>Finds the layout.</summary>
    /// <param name="file">The file.</param>
    /// <param name="forced">The layout to use, or null.</param>
    /// <exception cref="InvalidModelException">The file holds no resampler, tensors are missing, or the layout has
    /// stored positions.</exception>
    public static LayoutMatch Recognise(GgufFile file, CheckpointLayout? forced)
    {
        if ((file.Header.Text(ProjectorKey) ?? file.Header.Text(VisionProjectorKey)) is var projector
            && projector != Projector)
        {
            throw new InvalidModelException(file.SourcePath, [$"field '{ProjectorKey}': expected '{Projector}', " +
                "found " + (projector is null ? "none; is this the mmproj file of the model?" : Quote(projector))]);
        }

        HashSet<string> names = [.. file.Tensors.Select(tensor => tensor.Name)];
        string[] missing = [.. s_roles.Select(role => GgufFile.Prefix + role).Where(name => !names.Contains(name))];
        if (missing.Length > 0)
        {
            int hiddenCount = missing.Length - MaxListedCount;
            throw new InvalidModelException(file.SourcePath, ["expected the tensors of a resampler, found " +
                $"{s_roles.Length - missing.Length} of {s_roles.Length}; missing: " +
                string.Join(", ", missing.Take(MaxListedCount)) + (hiddenCount > 0 ? $" and {hiddenCount} more" : "")]);
        }

        if (forced is not null)
        {
            return forced.Positions.IsStored || forced == CheckpointLayout.MsResampler
                ? throw new InvalidModelException(file.SourcePath, [$"layout {forced}: expected one that llama.cpp " +
                    $"converts ({string.Join(", ", s_versions.Values)})"])
                : new LayoutMatch(forced, GgufFile.Prefix, "as asked", []);
        }

        if (file.Header.Number(VersionKey) is not { } version)
        {
            return new LayoutMatch(CheckpointLayout.MiniCpmV26, GgufFile.Prefix, "its tensors",
                [$"field '{VersionKey}' is missing: the file was read as {CheckpointLayout.MiniCpmV26.Title}"]);
        }

        string reason = $"{VersionKey} {version}";
        return s_versions.TryGetValue(version, out CheckpointLayout? layout)
            ? new LayoutMatch(layout, GgufFile.Prefix, reason, [])
            : new LayoutMatch(CheckpointLayout.MiniCpmV26, GgufFile.Prefix, reason,
                [$"field '{VersionKey}' has the unknown value {version}: the file was read as " +
                    CheckpointLayout.MiniCpmV26.Title]);
    }

    /// <summary>The configuration. Shapes other than those that sizes are taken from are not checked.</summary>
    /// <exception cref="InvalidModelException">A size is invalid.</exception>
    public static ResamplerConfig Configure(LayoutMatch match, GgufFile file)
    {
        List<string> problems = [];
        (int queryCount, int width) = Extents("query", "[M, D]");
        (int outputSize, _) = Extents("proj.weight", "[L, D]");
        (_, int channelCount) = Extents("kv.weight", "[D, C]");
        if (problems.Count == 0)
            PublishedResampler.CheckWidth(GgufFile.Prefix + "query", width, match.Layout, problems);
        return problems.Count > 0 ? throw new InvalidModelException(file.SourcePath, problems)
            : PublishedResampler.Configure(match.Layout, queryCount, width, channelCount, outputSize,
                file.Tensors.First(tensor => tensor.Name == GgufFile.Prefix + "attn.q.weight").Type);

        (int Rows, int Columns) Extents(string role, string expected)
        {
            TensorInfo tensor = file.Tensors.First(tensor => tensor.Name == GgufFile.Prefix + role);
            if (tensor.Shape is [>= 1 and <= MaxExtent and var rows, >= 1 and <= MaxExtent and var columns])
                return ((int)rows, (int)columns);
            problems.Add($"tensor {Quote(tensor.Name)}: expected shape {expected} with extents from 1 to " +
                $"{MaxExtent}, found " +
                $"{TensorSize.Describe([.. tensor.Shape])}");
            return (1, 1);
        }
    }
}
