using System.Globalization;

namespace MsResampler.Kernels.Tests.Parity;

/// <summary>The result of a <see cref="ParityCase"/>.</summary>
/// <param name="Error">The largest relative L2 error of an image's tokens.</param>
/// <param name="Bound">Its bound.</param>
/// <param name="HasSameBits">Whether each image has the same bits alone and in the batch.</param>
/// <param name="Description">The case.</param>
internal sealed record ParityResult(double Error, double Bound, bool HasSameBits, string Description)
{
    public bool IsPassed => Error <= Bound && HasSameBits;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"relative L2 error {Error:0.0e-0}, bound {Bound:0.0e-0}{(HasSameBits ? "" : ", other bits in a batch")}; ") +
        Description;
}
