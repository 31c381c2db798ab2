using System.Text;

namespace MsResampler.Model;

/// <summary>Removes from tensor names the parts that PyTorch's wrapper modules add at any level:
/// <c>torch.compile</c>, data parallelism and activation checkpointing.</summary>
internal static class ModuleNames
{
    private static readonly string[] s_wrappers =
        ["_orig_mod.", "module.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."];

    /// <summary>The name without the parts of wrapper modules. The last part always stays: it names the
    /// tensor.</summary>
    public static string Unwrap(string name)
    {
        if (!s_wrappers.Any(wrapper => name.Contains(wrapper, StringComparison.Ordinal)))
            return name;
        StringBuilder unwrapped = new(name.Length);
        for (int start = 0; start < name.Length;)
        {
            int dot = name.IndexOf('.', start);
            ReadOnlySpan<char> part = dot < 0 ? name.AsSpan(start) : name.AsSpan(start, dot + 1 - start);
            if (!IsWrapper(part))
                unwrapped.Append(part);
            start += part.Length;
        }

        return unwrapped.ToString();
    }

    private static bool IsWrapper(ReadOnlySpan<char> part)
    {
        foreach (string wrapper in s_wrappers)
            if (part.SequenceEqual(wrapper))
                return true;
        return false;
    }
}
