using System.Globalization;

namespace MsResampler.Kernels.Compiler;

/// <summary>A version of the PTX instruction set, which decides which drivers and assemblers accept the
/// text.</summary>
/// <param name="Major">The major version.</param>
/// <param name="Minor">The minor version.</param>
internal readonly record struct PtxVersion(int Major, int Minor)
{
    /// <summary>Version 7.0, of CUDA 11.0: the oldest with every instruction of the kernels. Drivers from 450 on
    /// accept it.</summary>
    public static PtxVersion Default { get; } = new(7, 0);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Major}.{Minor}");
}
