namespace MsResampler.Cli.Commands;

/// <summary>The value of <c>--train</c>: patterns of names of tensors.</summary>
/// <param name="Text">The value as given.</param>
/// <param name="Patterns">The patterns.</param>
internal sealed record TrainedParts(string Text, IReadOnlyList<string> Patterns)
{
    /// <summary>The names that stand for several tensors.</summary>
    public const string Names = "all, gate, sigma, queries, kv, proj";

    /// <summary>Every tensor.</summary>
    public static TrainedParts All { get; } = Parse("all");

    /// <summary>Reads names and patterns that are separated by commas.</summary>
    public static TrainedParts Parse(string text) => new(text, [.. text.Split(',', StringSplitOptions.TrimEntries
        | StringSplitOptions.RemoveEmptyEntries).SelectMany(PatternsOf)]);

    /// <summary>The value as given, for the help.</summary>
    public override string ToString() => Text;

    private static string[] PatternsOf(string name) => name switch
    {
        "all" => ["*"],
        "gate" => ["gate.*"],
        "sigma" => ["scopes.*.log_sigma"],
        "queries" => ["*query"],
        "kv" => ["kv_proj.*"],
        "proj" => ["proj.*"],
        _ => [name],
    };
}
