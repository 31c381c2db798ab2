using MsResampler.Safetensors;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Model;

/// <summary>The tensors of a checkpoint by their names without the parts of wrapper modules
/// (<see cref="ModuleNames"/>).</summary>
internal sealed class TensorNames
{
    // Parts of the names in a PEFT adapter that was not merged into the weights.
    private static readonly string[] s_adapterParts =
    [
        ".lora_A.", ".lora_B.", ".lora_embedding_A.", ".lora_embedding_B.", ".lora_magnitude_vector.", ".base_layer.",
    ];

    private readonly Dictionary<string, TensorInfo> _tensors = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Ambiguity> _ambiguous = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _absent = new(StringComparer.Ordinal);
    private readonly List<(string Name, TensorInfo Tensor)> _stored = [];
    private readonly List<string> _replaced = [];

    public TensorNames(ITensorSource source)
    {
        Source = source;
        Dictionary<string, string> storedNames = new(StringComparer.Ordinal);
        HashSet<string> trained = new(StringComparer.Ordinal);
        HashSet<string> trainedModules = new(StringComparer.Ordinal);
        List<(string Name, string StoredName, TensorInfo Tensor)> originals = [];
        IEnumerable<KeyValuePair<string, TensorInfo>> stored = source.Tensors
            .Select(tensor => KeyValuePair.Create(tensor.Name, tensor));
        foreach ((string storedName, TensorInfo tensor) in stored.Concat(source.Aliases))
        {
            string name = ModuleNames.Unwrap(storedName, out ModuleCopy copy);
            if (copy == ModuleCopy.Original)
            {
                originals.Add((name, storedName, tensor));
                continue;
            }

            Add(name, storedName, tensor);
            if (copy != ModuleCopy.Trained)
                continue;
            trained.Add(name);
            trainedModules.Add(ModuleNames.CopiedModuleOf(storedName));
        }

        foreach ((string name, string storedName, TensorInfo tensor) in originals)
        {
            if (trained.Contains(name))
                _replaced.Add(storedName);
            else if (trainedModules.Contains(ModuleNames.CopiedModuleOf(storedName)))
                _absent.TryAdd(name, "only 'original_module' has it, and not the copy that PEFT trained");
            else
                Add(name, storedName, tensor);
        }

        foreach ((string name, string reason) in source.Absent)
            _absent.TryAdd(ModuleNames.Unwrap(name), reason);

        void Add(string name, string storedName, TensorInfo tensor)
        {
            if (!_tensors.TryAdd(name, tensor) && _tensors[name] != tensor)
                _ambiguous.TryAdd(name, new Ambiguity(storedNames[name], storedName, tensor));
            storedNames.TryAdd(name, storedName);
            if (storedName == tensor.Name)
                _stored.Add((name, tensor));
        }
    }

    /// <summary>The files.</summary>
    public ITensorSource Source { get; }

    /// <summary>The tensors by name, also by the names of tied tensors.</summary>
    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    /// <summary>For each tensor that an index names and no file holds, the reason why it is missing.</summary>
    public IReadOnlyDictionary<string, string> Absent => _absent;

    /// <summary>Every stored tensor with its name, without the copies of modules from before their
    /// training.</summary>
    public IReadOnlyList<(string Name, TensorInfo Tensor)> Stored => _stored;

    public TensorInfo? Find(string name) => _tensors.GetValueOrDefault(name);

    /// <summary>The two tensors of a name if there are two, or null.</summary>
    public Ambiguity? AmbiguityOf(string name) => _ambiguous.TryGetValue(name, out Ambiguity found) ? found : null;

    /// <summary>A warning if modules under a prefix have a trained copy, which is used, and one from before.</summary>
    public IEnumerable<string> WarningsUnder(string prefix)
    {
        int count = _replaced.Count(name => ModuleNames.Unwrap(name).StartsWith(prefix, StringComparison.Ordinal));
        if (count > 0)
        {
            yield return $"{count} tensors of 'original_module' were ignored: those of 'modules_to_save.default', " +
                "which PEFT trained in their place, are used";
        }
    }

    /// <summary>Throws if modules under a prefix have the parts of an adapter, such as LoRA, beside their
    /// weights.</summary>
    /// <exception cref="InvalidModelException">They have.</exception>
    public void ThrowIfAdapted(string prefix)
    {
        string[] parts = [.. _stored.Where(stored => stored.Name.StartsWith(prefix, StringComparison.Ordinal)
            && s_adapterParts.Any(part => stored.Name.Contains(part, StringComparison.Ordinal)))
            .Select(stored => stored.Tensor.Name)];
        if (parts.Length == 0)
            return;
        throw new InvalidModelException(Source.SourcePath,
            [$"expected the resampler's weights alone, found {Quote(parts[0])}" +
                (parts.Length > 1 ? $" and {parts.Length - 1} more tensors" : "") +
                " of an adapter (LoRA) that is not merged; merge it first (in PEFT: merge_and_unload) and save again"]);
    }

    /// <summary>Two tensors whose names differ only by wrapper modules.</summary>
    /// <param name="First">The stored name of the first one, which has the name.</param>
    /// <param name="Second">The stored name of the second one.</param>
    /// <param name="Tensor">The second one.</param>
    public readonly record struct Ambiguity(string First, string Second, TensorInfo Tensor);
}
