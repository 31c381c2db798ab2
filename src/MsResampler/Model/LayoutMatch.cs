namespace MsResampler.Model;

/// <summary>The layout of a checkpoint.</summary>
/// <param name="Layout">The layout.</param>
/// <param name="Prefix">The prefix of the tensor names; null if the configuration must be known to detect it.</param>
/// <param name="Reason">Why it is this layout, in a few words.</param>
/// <param name="Warnings">One sentence for each doubt.</param>
internal sealed record LayoutMatch(CheckpointLayout Layout, string? Prefix, string Reason,
    IReadOnlyList<string> Warnings);
