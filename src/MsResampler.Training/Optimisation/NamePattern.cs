namespace MsResampler.Training;

/// <summary>Patterns for names of tensors: <c>*</c> stands for any characters, also none and also dots; every other
/// character for itself. <c>gate.*</c> matches <c>gate.fc1.weight</c>, and <c>scopes.*.log_sigma</c> the sigmas of all
/// scopes.</summary>
public static class NamePattern
{
    private const int MaxNamesShown = 12;

    /// <summary>Whether a pattern matches a whole name.</summary>
    /// <param name="pattern">The pattern.</param>
    /// <param name="name">The name.</param>
    public static bool Matches(string pattern, string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(pattern);
        ArgumentNullException.ThrowIfNull(name);
        string[] parts = pattern.Split('*');
        if (parts.Length == 1)
            return pattern == name;
        if (name.Length < parts[0].Length + parts[^1].Length
            || !name.StartsWith(parts[0], StringComparison.Ordinal)
            || !name.EndsWith(parts[^1], StringComparison.Ordinal))
            return false;
        int position = parts[0].Length;
        int end = name.Length - parts[^1].Length;
        foreach (string part in parts[1..^1])
        {
            int found = name.IndexOf(part, position, end - position, StringComparison.Ordinal);
            if (found < 0)
                return false;
            position = found + part.Length;
        }

        return true;
    }

    /// <summary>The tensors that at least one pattern matches, in the order of <paramref name="tensors"/>.</summary>
    /// <param name="tensors">The tensors.</param>
    /// <param name="patterns">The patterns.</param>
    /// <exception cref="ArgumentException">A pattern matches no tensor; the message lists names.</exception>
    public static IReadOnlyList<TrainableTensor> Select(IReadOnlyList<TrainableTensor> tensors,
        IReadOnlyList<string> patterns)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentNullException.ThrowIfNull(patterns);
        foreach (string pattern in patterns)
        {
            if (!tensors.Any(tensor => Matches(pattern, tensor.Name)))
            {
                string names = string.Join(", ", tensors.Take(MaxNamesShown).Select(tensor => tensor.Name));
                string more = tensors.Count > MaxNamesShown ? $" and {tensors.Count - MaxNamesShown} more" : "";
                throw new ArgumentException($"'{pattern}': expected a pattern of names of tensors, such as gate.* or " +
                    $"scopes.*.log_sigma, found none that it matches; the names are {names}{more}", nameof(patterns));
            }
        }

        return [.. tensors.Where(tensor => patterns.Any(pattern => Matches(pattern, tensor.Name)))];
    }

    /// <summary>Freezes the tensors that a pattern matches, and no others change.</summary>
    /// <inheritdoc cref="Select" path="/param|/exception"/>
    public static void Freeze(IReadOnlyList<TrainableTensor> tensors, params IReadOnlyList<string> patterns)
    {
        foreach (TrainableTensor tensor in Select(tensors, patterns))
            tensor.IsFrozen = true;
    }

    /// <summary>Freezes every tensor that no pattern matches, and the others are trained.</summary>
    /// <inheritdoc cref="Select" path="/param|/exception"/>
    public static void TrainOnly(IReadOnlyList<TrainableTensor> tensors, params IReadOnlyList<string> patterns)
    {
        HashSet<TrainableTensor> trained = [.. Select(tensors, patterns)];
        foreach (TrainableTensor tensor in tensors)
            tensor.IsFrozen = !trained.Contains(tensor);
    }
}
