using MsResampler.Safetensors;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Model;

/// <summary>Recognises the layout of a published checkpoint by its tensors and, where they leave a choice, by its
/// config.json.</summary>
internal sealed class LayoutRecognition
{
    private const int MaxListedCount = 5;
    private const string PositionTable = "pos_embed";
    private const string OptionalRole = "kv_proj.weight";

    // Roles of which a resampler has its own names; the others also occur in vision encoders.
    private static readonly string[] s_ownRoles =
        ["query", OptionalRole, "ln_q.weight", "ln_q.bias", "ln_kv.weight", "ln_kv.bias"];

    // With Qwen-VL one level above the other tensors.
    private static readonly string[] s_outerRoles = ["ln_post.weight", "ln_post.bias", "proj"];

    private static readonly string[] s_roles =
    [
        .. s_ownRoles, "attn.in_proj_weight", "attn.in_proj_bias", "attn.out_proj.weight", "attn.out_proj.bias",
        PositionTable, .. s_outerRoles,
    ];

    private readonly TensorNames _names;
    private readonly string _source;
    private readonly PublishedConfig? _config;
    private readonly List<string> _warnings = [];
    private string _prefix = "";

    private LayoutRecognition(TensorNames names, string source, PublishedConfig? config)
        => (_names, _source, _config) = (names, source, config);

    /// <summary>Recognises a layout, and checks that it has all of its tensors.</summary>
    /// <param name="names">The tensors.</param>
    /// <param name="source">The folder or file, for messages.</param>
    /// <param name="config">The configuration beside the checkpoint, or null.</param>
    /// <param name="layout">The only layout to try, one of a published resampler; null for all.</param>
    /// <exception cref="InvalidModelException">There is no resampler, or no layout fits.</exception>
    public static LayoutMatch Recognise(TensorNames names, string source, PublishedConfig? config,
        CheckpointLayout? layout)
        => new LayoutRecognition(names, source, config).Recognise(layout);

    /// <summary>Whether tensors have names that only this project's own layout has.</summary>
    public static bool IsOwn(TensorNames names) => names.Tensors.Keys.Concat(names.Absent.Keys).Any(name
        => name.EndsWith("gate.fc1.weight", StringComparison.Ordinal)
            || name.EndsWith("scopes.0.attn.out_proj.weight", StringComparison.Ordinal));

    /// <summary>The prefix of the tensors that are one level higher than those under another prefix.</summary>
    public static string OuterPrefix(string prefix)
    {
        const string Nested = "attn_pool.";
        return IsUnder(prefix, Nested) ? prefix[..^Nested.Length] : prefix;
    }

    private LayoutMatch Recognise(CheckpointLayout? forced)
    {
        _prefix = FindPrefix(forced);
        _names.ThrowIfAdapted(_prefix);
        (CheckpointLayout layout, string reason) = forced is not null ? (forced, "as asked") : Choose();
        ThrowIfIncomplete(layout, reason, isForced: forced is not null);
        if (_config?.QueryCount is { } count && _names.Find(_prefix + "query") is { Shape: [var stored, _] }
            && stored != count)
        {
            _warnings.Add($"the number of queries in {ResamplerModel.ConfigFileName} ({count}) was ignored: the " +
                $"checkpoint has {stored}");
        }

        return new LayoutMatch(layout, _prefix, reason, _warnings);
    }

    /// <summary>The prefix under which most of the tensors are that every resampler has. Among equal ones, a layout
    /// that was asked for decides, then the family of config.json.</summary>
    private string FindPrefix(CheckpointLayout? forced)
    {
        HashSet<string> found = new(StringComparer.Ordinal);
        HashSet<string> own = new(StringComparer.Ordinal);
        foreach (string name in _names.Tensors.Keys.Concat(_names.Absent.Keys))
        {
            foreach (string role in s_roles)
            {
                if (!IsUnder(name, role))
                    continue;
                string prefix = name[..^role.Length];
                found.Add(prefix);
                if (s_ownRoles.Contains(role))
                    own.Add(prefix);
            }
        }

        string? named = forced?.Module
            ?? CheckpointLayout.Published.FirstOrDefault(layout => layout.ModelType == _config?.ModelType)?.Module;
        // A vision encoder has layer normalisations and attentions, too.
        (string Prefix, (bool IsForced, int Count, bool IsNamed, bool IsModule) Rank)[] candidates =
            [.. own.Intersect(found).Select(prefix => (prefix, RankOf(prefix)))
            .Where(candidate => candidate.Item2.IsModule
                || s_ownRoles.Count(role => Has(candidate.prefix, role)) > 1)
            .OrderByDescending(candidate => candidate.Item2).ThenBy(candidate => candidate.prefix.Length)
            .ThenBy(candidate => candidate.prefix, StringComparer.Ordinal)];
        if (candidates.Length == 0)
        {
            throw new InvalidModelException(_source, ["expected the tensors of a resampler, found none among " +
                $"{_names.Source.Tensors.Count} tensors ({Tried(forced)})"]);
        }

        if (candidates.Length > 1 && candidates[0].Rank == candidates[1].Rank)
        {
            throw new InvalidModelException(_source, ["tensor names: expected one resampler, found two that fit " +
                $"equally well, under {Quote(candidates[0].Prefix)} and {Quote(candidates[1].Prefix)}"]);
        }

        return candidates[0].Prefix;

        (bool IsForced, int Count, bool IsNamed, bool IsModule) RankOf(string prefix)
        {
            bool isNamed = named is not null && IsUnder(prefix, named);
            int count = s_roles.Count(role => role is not OptionalRole and not PositionTable && Has(prefix, role));
            return (forced is not null && isNamed, count, isNamed, ModuleOf(prefix) is not null);
        }
    }

    /// <summary>Chooses by config.json if its family has the module that was found, else by the tensors.</summary>
    private (CheckpointLayout Layout, string Reason) Choose()
    {
        string? module = ModuleOf(_prefix);
        bool hasTable = Has(_prefix, PositionTable);
        if (_config is { IsKnown: true } config && CheckpointLayout.Published.Any(layout
            => layout.ModelType == config.ModelType && (module is null || ModuleOf(layout.Module) == module)))
            return (ChooseByConfig(config, hasTable), DescribeConfig(config));

        CheckpointLayout[] fitting = [.. CheckpointLayout.Published.Where(layout
            => layout.Positions.IsStored == hasTable && (module is null || ModuleOf(layout.Module) == module))];
        if (fitting.Length == 0)
            fitting = [.. CheckpointLayout.Published.Where(layout => ModuleOf(layout.Module) == module)];
        return (hasTable ? ChooseByTable(fitting, module) : ChooseWithoutTable(fitting), "its tensors");
    }

    private CheckpointLayout ChooseByConfig(PublishedConfig config, bool hasTable)
    {
        CheckpointLayout[] family = [.. CheckpointLayout.Published
            .Where(layout => layout.ModelType == config.ModelType)];
        if (family.Length == 1)
            return family[0];
        if (config.VersionText is null)
        {
            CheckpointLayout? marked = family.FirstOrDefault(layout
                => config.HasFrames && layout.Positions.Frames != FrameEmbeddingType.None)
                ?? family.FirstOrDefault(layout => hasTable && layout.Positions.IsStored)
                ?? family.FirstOrDefault(layout => layout.PublishedSize == Size && !layout.Positions.IsStored);
            // The first releases of both families had no version.
            return marked ?? family.First(layout => !layout.Positions.IsStored);
        }

        return family.FirstOrDefault(layout => layout.Version == config.Version) ?? throw new InvalidModelException(
            _source, [$"{ResamplerModel.ConfigFileName}: expected version " +
                $"{string.Join(", ", family.Select(layout => VersionOf(layout)))} of {config.ModelType}, found " +
                $"{Quote(config.VersionText)}; if its resampler is that of another version, name the layout " +
                "(--layout, ResamplerOptions.Layout)"]);
    }

    /// <summary>A table is on queries only, or on queries and keys: tokens differ.</summary>
    private CheckpointLayout ChooseByTable(CheckpointLayout[] fitting, string? module)
    {
        if (module is not null)
        {
            return fitting.FirstOrDefault(layout => IsUnder(_prefix, layout.Module) && layout.Module != module)
                ?? fitting.FirstOrDefault(layout => layout.Module == module) ?? fitting[0];
        }

        CheckpointLayout? sized = fitting.FirstOrDefault(layout => layout.PublishedSize == Size);
        if (sized is null)
        {
            throw new InvalidModelException(_source, [$"the tensors {Where} fit the layouts " +
                $"{string.Join(", ", fitting.Select(layout => layout.Name))}, whose tokens differ; name one " +
                "(--layout, ResamplerOptions.Layout)"]);
        }

        _warnings.Add($"layout {sized} was chosen by the sizes of the tensors, whose names also fit " +
            $"{string.Join(", ", fitting.Where(layout => layout != sized).Select(layout => layout.Name))}; " +
            "--layout or ResamplerOptions.Layout chooses one");
        return sized;
    }

    /// <summary>Layouts without a table give an image the same tokens.</summary>
    private CheckpointLayout ChooseWithoutTable(CheckpointLayout[] fitting)
    {
        string type = _names.Source.Tensors.Any(tensor => tensor.Name.StartsWith("apm.", StringComparison.Ordinal)
            || tensor.Name.StartsWith("tts.", StringComparison.Ordinal)) ? "minicpmo" : "minicpmv";
        CheckpointLayout[] ordered = [.. fitting.OrderByDescending(layout => layout.PublishedSize == Size)
            .ThenByDescending(layout => layout.PublishedSize.QueryCount == Size.QueryCount)
            .ThenByDescending(layout => layout.ModelType == type)];
        CheckpointLayout chosen = ordered.FirstOrDefault(layout => layout.Positions.Frames == FrameEmbeddingType.None)
            ?? ordered[0];
        CheckpointLayout? timed = fitting.FirstOrDefault(layout => layout.Positions.Frames != FrameEmbeddingType.None);
        bool isOther = chosen.PublishedSize == Size ? timed?.PublishedSize != Size
            : chosen.PublishedSize.QueryCount == Size.QueryCount
                && timed?.PublishedSize.QueryCount != Size.QueryCount;
        if (timed is not null && !isOther && type == timed.ModelType)
        {
            _warnings.Add($"layout {chosen} was chosen, but the tensors also fit {timed}, whose tokens differ for " +
                $"groups of frames and not for images; --layout {timed} or ResamplerOptions.Layout chooses it");
        }

        return chosen;
    }

    private void ThrowIfIncomplete(CheckpointLayout layout, string reason, bool isForced)
    {
        string[] missing = Missing(layout, out int requiredCount);
        if (missing.Length == 0)
            return;
        string lacks = List([.. missing.Select(Quote)]);
        string? absence = missing.Select(name => _names.Absent.GetValueOrDefault(name))
            .FirstOrDefault(text => text is not null);
        string found = DescribeOthers();
        throw new InvalidModelException(_source, [(isForced
            ? $"expected layout {layout}, found no {lacks}{DescribeFitting()}"
            : $"expected a resampler, found none that is complete ({Tried(null)}); the nearest is {layout} " +
                $"({reason}; {requiredCount - missing.Length} of {requiredCount} tensors {Where}), which lacks " +
                lacks) + (absence is null ? "" : $": {absence}") +
            (found.Length == 0 ? "" : $"; found instead {found}")]);
    }

    /// <summary>The names of the tensors that a layout requires and the checkpoint lacks.</summary>
    private string[] Missing(CheckpointLayout layout, out int requiredCount)
    {
        bool isOuterAllowed = OuterPrefix(layout.Module) != layout.Module;
        string[] required = [.. s_roles.Where(role => role != OptionalRole
            && (role != PositionTable || layout.Positions.IsStored))];
        requiredCount = required.Length;
        return [.. required.Where(role => isOuterAllowed || !s_outerRoles.Contains(role)
            ? !IsStored(_prefix, role) : _names.Find(_prefix + role) is null)
            .Select(role => (s_outerRoles.Contains(role) && isOuterAllowed ? OuterPrefix(_prefix) : _prefix) + role)];
    }

    /// <summary>The layouts that the tensors fit, for a message; empty if there is none.</summary>
    private string DescribeFitting()
    {
        string? module = ModuleOf(_prefix);
        bool hasTable = Has(_prefix, PositionTable);
        string[] fitting = [.. CheckpointLayout.Published.Where(layout => layout.Positions.IsStored == hasTable
            && (module is null || ModuleOf(layout.Module) == module) && Missing(layout, out _).Length == 0)
            .Select(layout => layout.Name)];
        return fitting.Length == 0 ? "" : $"; the tensors fit {List(fitting)}";
    }

    /// <summary>Tensors under the prefix that no layout has, or none if there is no prefix: the other tensors are then
    /// those of the whole model.</summary>
    private string DescribeOthers()
    {
        if (_prefix.Length == 0)
            return "";
        return List([.. _names.Stored.Where(stored => stored.Name.StartsWith(_prefix, StringComparison.Ordinal)
            && !s_roles.Contains(stored.Name[_prefix.Length..])).Select(stored => $"{Quote(stored.Tensor.Name)} " +
                $"{stored.Tensor.Type} {TensorSize.Describe([.. stored.Tensor.Shape])}")]);
    }

    private static string List(string[] items)
        => string.Join(", ", items.Take(MaxListedCount))
            + (items.Length > MaxListedCount ? $" and {items.Length - MaxListedCount} more" : "");

    private static string Tried(CheckpointLayout? forced) => "tried " + (forced?.Name ?? CheckpointLayout.Names);

    private static string DescribeConfig(PublishedConfig config)
        => $"{ResamplerModel.ConfigFileName}: {config.ModelType}" +
            (config.VersionText is null ? " without a version" : $" {config.Version}");

    private static string VersionOf(CheckpointLayout layout)
        => layout.Version!.Value.ToString("0.0", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>The last part of a prefix if a layout's module has the same name; null for other prefixes.</summary>
    private static string? ModuleOf(string prefix)
    {
        string last = prefix[(prefix.AsSpan(0, Math.Max(0, prefix.Length - 1)).LastIndexOf('.') + 1)..];
        return CheckpointLayout.Published.Any(layout => IsUnder(layout.Module, last)) ? last : null;
    }

    /// <summary>Whether a name ends with another one, at the start of a part.</summary>
    private static bool IsUnder(string name, string end) => end.Length > 0
        && name.EndsWith(end, StringComparison.Ordinal)
        && (name.Length == end.Length || name[name.Length - end.Length - 1] == '.');

    private string Where => _prefix.Length == 0 ? "without a prefix" : $"under {Quote(_prefix)}";

    /// <summary>D and M, or zeros.</summary>
    private (int Width, int QueryCount) Size
        => _names.Find(_prefix + "query") is { Shape: [<= int.MaxValue and var count, <= int.MaxValue and var width] }
            ? ((int)width, (int)count) : default;

    private bool IsStored(string prefix, string role) => _names.Find(prefix + role) is not null
        || (s_outerRoles.Contains(role) && _names.Find(OuterPrefix(prefix) + role) is not null);

    private bool Has(string prefix, string role) => IsStored(prefix, role) || _names.Absent.ContainsKey(prefix + role)
        || (s_outerRoles.Contains(role) && _names.Absent.ContainsKey(OuterPrefix(prefix) + role));
}
