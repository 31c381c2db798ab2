using System.Diagnostics.CodeAnalysis;

namespace MsResampler;

/// <summary>Finite features and finite weights gave a value outside the range of the precision that the model is computed
/// in. The tokens of the call are undefined; the model stays usable.</summary>
/// <remarks>Thrown by every backend, in every precision, in place of NaN or infinite tokens. Where
/// <see cref="ResamplerOptions.ValidateFeatures"/> is off, features that are NaN or infinite end here too.</remarks>
public class ActivationOverflowException : ArithmeticException
{
    internal ActivationOverflowException(string message, Precision precision, int imageIndex = -1,
        PatchGrid grid = default)
        : base(message)
    {
        Precision = precision;
        ImageIndex = imageIndex;
        Grid = grid;
    }

    /// <summary>What the model is computed in; never <see cref="Precision.Auto"/>.</summary>
    public Precision Precision { get; }

    /// <summary>Index of the first such image in the batch; of calls on the device, whose overflows are reported later, the
    /// lowest in any of them. −1 where it is no image: a weight.</summary>
    public int ImageIndex { get; }

    /// <summary>The image's patch grid; empty where it is not known.</summary>
    public PatchGrid Grid { get; }

    /// <summary>What happened, without the image, and what to do about it.</summary>
    internal static string Describe(Precision precision) => "a value between features and tokens is outside the range of "
        + precision switch
        {
            Precision.Float16 => "float16 (±65504): use Precision.BFloat16 or Precision.Float32",
            _ => $"{Name(precision)} (±3.4e38): scale the features; if they are of a usual size, a weight of the model " +
                "is not",
        };

    /// <summary>Reports an image.</summary>
    /// <param name="imageIndex">Its index in the batch.</param>
    /// <param name="grid">Its grid.</param>
    /// <param name="precision">What is computed in.</param>
    [DoesNotReturn]
    internal static void Throw(int imageIndex, PatchGrid grid, Precision precision)
        => throw new ActivationOverflowException($"image {imageIndex} ({grid} patches): {Describe(precision)}", precision,
            imageIndex, grid);

    private static string Name(Precision precision) => precision switch
    {
        Precision.TensorFloat32 => "tf32",
        Precision.BFloat16 => "bfloat16",
        _ => "float32",
    };
}
