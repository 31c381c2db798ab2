using System.Globalization;

namespace MsResampler.Kernels.Ptx;

/// <summary>What a PTX text is written for. PTX ISA, PTX Module Directives: .version and .target.</summary>
/// <param name="Version">The version of the text.</param>
/// <param name="Architecture">The architecture, such as 80 for sm_80.</param>
/// <param name="IsSpecific">Whether the text runs on this architecture only, and has its own instructions, as in
/// sm_90a.</param>
internal readonly record struct PtxTarget(PtxVersion Version, int Architecture, bool IsSpecific = false)
{
    /// <summary>sm_90a.</summary>
    public static PtxTarget Hopper { get; } = new(PtxVersion.Hopper, 90, IsSpecific: true);

    /// <summary>The name of the architecture, such as sm_90a.</summary>
    public override string ToString()
        => string.Create(CultureInfo.InvariantCulture, $"sm_{Architecture}{(IsSpecific ? "a" : "")}");
}
