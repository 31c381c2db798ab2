namespace MsResampler.Cli.Engines;

/// <summary>A value of <c>--backend</c>.</summary>
internal sealed record BackendChoice(string Name)
{
    public static readonly BackendChoice Auto = new("auto");

    public static readonly BackendChoice Cpu = new("cpu");

    /// <summary>A GPU.</summary>
    public static readonly BackendChoice Cuda = new("cuda");

    /// <summary>The double-precision reference, which is not a backend of the library.</summary>
    public static readonly BackendChoice Reference = new("reference");

    /// <inheritdoc/>
    public override string ToString() => Name;
}
