using System.Diagnostics.CodeAnalysis;

namespace MsResampler;

/// <summary>A value computed from finite features and finite weights left the range of the numeric precision. The
/// tokens of the call are undefined; the model stays usable.</summary>
/// <remarks>Every backend throws this exception, in every precision, instead of returning NaN or infinite tokens. If
/// <see cref="ResamplerOptions.ValidateFeatures"/> is off, NaN or infinite features also cause it.</remarks>
public class ActivationOverflowException : ArithmeticException
{
    internal ActivationOverflowException(string message, Precision precision, int imageIndex = -1,
        PatchGrid grid = default)
        : base(message)
        => (Precision, ImageIndex, Grid) = (precision, imageIndex, grid);

    /// <summary>The numeric precision of the model; never <see cref="Precision.Auto"/>.</summary>
    public Precision Precision { get; }

    /// <summary>Index of the first such image, or group of frames, in the batch. Calls with tensors on a device report
    /// overflows later; then this is the lowest index in any of these calls. −1 if a weight caused the
    /// exception.</summary>
    public int ImageIndex { get; }

    /// <summary>The patch grid of the image, or of the first frame of the group; 0x0 if unknown.</summary>
    public PatchGrid Grid { get; }

    /// <summary>The message without the image: the cause and what to do.</summary>
    internal static string Describe(Precision precision)
        => "a value between features and tokens is outside the range of " + precision switch
        {
            Precision.Float16 => "float16 (±65504): use Precision.BFloat16 or Precision.Float32",
            _ => $"{Name(precision)} (±3.4e38): scale the features; if they are of a usual size, check the weights " +
                "of the model",
        };

    /// <summary>Throws the exception for a group.</summary>
    /// <param name="groups">The groups of the batch.</param>
    /// <param name="group">The index of the group.</param>
    /// <param name="precision">The numeric precision of the model.</param>
    [DoesNotReturn]
    internal static void Throw(FrameGroups groups, int group, Precision precision)
        => throw For(groups, group, precision);

    /// <summary>The exception for a group.</summary>
    /// <param name="groups">The groups of the batch.</param>
    /// <param name="group">The index of the group.</param>
    /// <param name="precision">The numeric precision of the model.</param>
    /// <param name="number">The number of the group for the reader; null for its index.</param>
    internal static ActivationOverflowException For(FrameGroups groups, int group, Precision precision,
        int? number = null)
        => new($"{groups.Describe(group, number ?? group)}: {Describe(precision)}", precision,
            number ?? group, groups.GridsOf(group)[0]);

    private static string Name(Precision precision) => precision switch
    {
        Precision.TensorFloat32 => "tf32",
        Precision.BFloat16 => "bfloat16",
        _ => "float32",
    };
}
