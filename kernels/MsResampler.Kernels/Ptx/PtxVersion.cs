using System.Globalization;

namespace MsResampler.Kernels.Ptx;

/// <summary>A version of the PTX instruction set, which decides which drivers and assemblers accept the
/// text.</summary>
/// <param name="Major">The major version.</param>
/// <param name="Minor">The minor version.</param>
internal readonly record struct PtxVersion(int Major, int Minor) : IComparable<PtxVersion>
{
    /// <summary>Version 7.0, of CUDA 11.0: the oldest with every instruction of the kernels that run on several
    /// architectures. Drivers from 450 on accept it.</summary>
    public static PtxVersion Default { get; } = new(7, 0);

    /// <summary>Version 7.8, of CUDA 11.8: the oldest with <c>griddepcontrol</c>.</summary>
    public static PtxVersion Dependencies { get; } = new(7, 8);

    /// <summary>Version 8.0, of CUDA 12.0: the oldest with the instructions of sm_90a.</summary>
    public static PtxVersion Hopper { get; } = new(8, 0);

    /// <inheritdoc/>
    public int CompareTo(PtxVersion other) => (Major, Minor).CompareTo((other.Major, other.Minor));

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Major}.{Minor}");
}
