using System.Globalization;

namespace MsResampler.Kernels.Compiler;

/// <summary>A version of the PTX instruction set, which decides what drivers and assemblers read the text.</summary>
/// <param name="Major">Before the point.</param>
/// <param name="Minor">After it.</param>
internal readonly record struct PtxVersion(int Major, int Minor)
{
    /// <summary>7.0, of CUDA 11.0: the oldest that has every instruction used here, so that every driver from 450 on
    /// takes it.</summary>
    public static PtxVersion Default { get; } = new(7, 0);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Major}.{Minor}");
}
