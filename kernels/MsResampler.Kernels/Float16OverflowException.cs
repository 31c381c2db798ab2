using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace MsResampler.Kernels;

/// <summary>A number is outside the range of <see cref="Precision.Float16"/>, ±65504. The model stays usable.
/// <see cref="Precision.BFloat16"/> and <see cref="Precision.Float32"/> have a far wider range. Features of any
/// magnitude are in range, because they are scaled.</summary>
public sealed class Float16OverflowException : ActivationOverflowException
{
    /// <summary>The midpoint of the largest float16 and 65536: from here on rounding to nearest gives
    /// infinity.</summary>
    internal const double Limit = 65520;

    internal Float16OverflowException(string message, int imageIndex = -1, PatchGrid grid = default)
        : base(message, Precision.Float16, imageIndex, grid)
    {
    }

    [DoesNotReturn]
    internal static void ThrowWeight(string tensor, double value)
        => throw new Float16OverflowException(string.Create(CultureInfo.InvariantCulture,
            $"Tensor '{tensor}' has the value {value:G6}, outside the range of float16 (±65504): use " +
            $"Precision.BFloat16 or Precision.Float32"));
}
