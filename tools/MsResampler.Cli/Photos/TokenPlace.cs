using System.Globalization;

namespace MsResampler.Cli.Photos;

/// <summary>Where the tokens of a photo are.</summary>
/// <param name="Grid">The patch grid of the photo.</param>
/// <param name="Shard">The name of the file.</param>
/// <param name="Tensor">The name of the tensor in it.</param>
/// <param name="Checksum">The CRC-32 of the tensor's bytes.</param>
internal sealed record TokenPlace(PatchGrid Grid, string Shard, string Tensor, uint Checksum)
{
    /// <summary>The name of a tensor.</summary>
    public static string TensorOf(int index) => string.Create(CultureInfo.InvariantCulture, $"tokens.{index}");
}
