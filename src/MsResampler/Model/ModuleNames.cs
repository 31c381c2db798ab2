using System.Text;

namespace MsResampler.Model;

/// <summary>Removes from tensor names the parts that wrapper modules add at any level: PyTorch's
/// <c>torch.compile</c>, data parallelism and activation checkpointing, and PEFT's models and copies of trained
/// modules.</summary>
internal static class ModuleNames
{
    private static readonly string[] s_wrappers =
    [
        "_orig_mod.", "module.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "base_model.model.",
        TrainedCopy, OriginalCopy,
    ];

    // PEFT keeps two copies of a module that is trained as a whole.
    private const string TrainedCopy = "modules_to_save.default.";
    private const string OriginalCopy = "original_module.";

    /// <summary>The name without the parts of wrapper modules. The last part always stays: it names the
    /// tensor.</summary>
    public static string Unwrap(string name) => Unwrap(name, out _);

    /// <summary>The name without the parts of wrapper modules, and which copy of a module the tensor belongs
    /// to.</summary>
    public static string Unwrap(string name, out ModuleCopy copy)
    {
        copy = ModuleCopy.Only;
        if (!s_wrappers.Any(wrapper => name.Contains(wrapper, StringComparison.Ordinal)))
            return name;
        StringBuilder unwrapped = new(name.Length);
        for (int start = 0; start < name.Length;)
        {
            if (FindWrapper(name.AsSpan(start)) is { } wrapper)
            {
                copy = wrapper switch
                {
                    TrainedCopy => ModuleCopy.Trained,
                    OriginalCopy => ModuleCopy.Original,
                    _ => copy,
                };
                start += wrapper.Length;
                continue;
            }

            int dot = name.IndexOf('.', start);
            int end = dot < 0 ? name.Length : dot + 1;
            unwrapped.Append(name, start, end - start);
            start = end;
        }

        return unwrapped.ToString();
    }

    /// <summary>The stored name of the module of which PEFT keeps copies, for a tensor of a copy.</summary>
    public static string CopiedModuleOf(string storedName)
    {
        int start = storedName.LastIndexOf(TrainedCopy, StringComparison.Ordinal);
        return storedName[..(start >= 0 ? start : storedName.LastIndexOf(OriginalCopy, StringComparison.Ordinal))];
    }

    private static string? FindWrapper(ReadOnlySpan<char> rest)
    {
        foreach (string wrapper in s_wrappers)
            if (rest.StartsWith(wrapper, StringComparison.Ordinal) && rest.Length > wrapper.Length)
                return wrapper;
        return null;
    }
}
