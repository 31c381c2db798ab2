using System.Diagnostics.CodeAnalysis;

namespace MsResampler.Safetensors;

/// <summary>The element types of the safetensors format, under the names that a header uses. Their order is that
/// of the reference implementation: by ascending alignment.</summary>
[SuppressMessage("Naming", "CA1707", Justification = "The names are those of the safetensors format.")]
public enum TensorType
{
    /// <summary>A Boolean in one byte.</summary>
    BOOL,

    /// <summary>4-bit float (MXFP4), packed.</summary>
    F4,

    /// <summary>6-bit float with 2 exponent and 3 mantissa bits (MXFP6), packed.</summary>
    F6_E2M3,

    /// <summary>6-bit float with 3 exponent and 2 mantissa bits (MXFP6), packed.</summary>
    F6_E3M2,

    /// <summary>Unsigned 8-bit integer.</summary>
    U8,

    /// <summary>Signed 8-bit integer.</summary>
    I8,

    /// <summary>8-bit float with 5 exponent and 2 mantissa bits.</summary>
    F8_E5M2,

    /// <summary>8-bit float with 4 exponent and 3 mantissa bits.</summary>
    F8_E4M3,

    /// <summary>8-bit power of two: the scale factor of the MX formats.</summary>
    F8_E8M0,

    /// <summary><see cref="F8_E4M3"/> with one NaN and without infinity and negative zero.</summary>
    F8_E4M3FNUZ,

    /// <summary><see cref="F8_E5M2"/> with one NaN and without infinity and negative zero.</summary>
    F8_E5M2FNUZ,

    /// <summary>Signed 16-bit integer.</summary>
    I16,

    /// <summary>Unsigned 16-bit integer.</summary>
    U16,

    /// <summary>16-bit IEEE float.</summary>
    F16,

    /// <summary>bfloat16: the upper half of a 32-bit float.</summary>
    BF16,

    /// <summary>Signed 32-bit integer.</summary>
    I32,

    /// <summary>Unsigned 32-bit integer.</summary>
    U32,

    /// <summary>32-bit IEEE float.</summary>
    F32,

    /// <summary>Complex number of two 32-bit floats.</summary>
    C64,

    /// <summary>64-bit IEEE float.</summary>
    F64,

    /// <summary>Signed 64-bit integer.</summary>
    I64,

    /// <summary>Unsigned 64-bit integer.</summary>
    U64,
}

/// <summary>Properties of <see cref="TensorType"/>.</summary>
public static class TensorTypes
{
    /// <summary>The size of one element in bits: 4 or 6 for the packed types, a multiple of 8 for the
    /// others.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not a member of the enumeration.</exception>
    public static int BitsOf(TensorType type) => type switch
    {
        TensorType.F4 => 4,
        TensorType.F6_E2M3 or TensorType.F6_E3M2 => 6,
        >= TensorType.BOOL and <= TensorType.F8_E5M2FNUZ => 8,
        >= TensorType.I16 and <= TensorType.BF16 => 16,
        >= TensorType.I32 and <= TensorType.F32 => 32,
        >= TensorType.C64 and <= TensorType.U64 => 64,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "There is no such tensor type."),
    };
}
