using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;

namespace MsResampler.Vision;

/// <summary>The visual tokens of one image. As JSON, such as in the caches of Microsoft.Extensions.AI, the values are
/// Base64 text and keep their bits.</summary>
[JsonConverter(typeof(VisualTokensJsonConverter))]
public sealed class VisualTokens : Embedding
{
    /// <param name="tokens">[M, L], row-major.</param>
    /// <param name="count">M, the number of tokens.</param>
    /// <param name="width">L, the number of values of a token.</param>
    /// <param name="grid">The patch grid of the image.</param>
    /// <exception cref="ArgumentException">The length differs from M·L.</exception>
    public VisualTokens(Memory<float> tokens, int count, int width, PatchGrid grid)
    {
        if (tokens.Length != (long)count * width)
        {
            throw new ArgumentException($"expected {count} x {width} values, found {tokens.Length}",
                nameof(tokens));
        }

        (Tokens, Count, Width, Grid) = (tokens, count, width, grid);
    }

    /// <summary>The tokens, [M, L], row-major, float32.</summary>
    public Memory<float> Tokens { get; }

    /// <summary>M, the number of tokens.</summary>
    public int Count { get; }

    /// <summary>L, the number of values of a token.</summary>
    public int Width { get; }

    /// <summary>The patch grid of the image in the encoder.</summary>
    public PatchGrid Grid { get; }

    /// <summary>The number of values of all tokens, M·L.</summary>
    public override int Dimensions => Tokens.Length;
}
