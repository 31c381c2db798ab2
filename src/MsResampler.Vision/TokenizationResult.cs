using System.Diagnostics.CodeAnalysis;

namespace MsResampler.Vision;

/// <summary>The tokens of one image of a stream, or why it has none.</summary>
public sealed class TokenizationResult
{
    internal TokenizationResult(long index, ImageInput image, VisualTokens? tokens, Exception? error)
        => (Index, Image, Tokens, Error) = (index, image, tokens, error);

    /// <summary>The position of the image in the stream, from 0.</summary>
    public long Index { get; }

    /// <summary>The image.</summary>
    public ImageInput Image { get; }

    /// <summary>The tokens; null if there is an error.</summary>
    public VisualTokens? Tokens { get; }

    /// <summary>Why the image has no tokens: an <see cref="InvalidImageException"/>, or an exception of the encoder or
    /// of the resampler about this image.</summary>
    public Exception? Error { get; }

    /// <summary>Whether there are tokens.</summary>
    [MemberNotNullWhen(true, nameof(Tokens))]
    [MemberNotNullWhen(false, nameof(Error))]
    public bool IsSuccess => Tokens is not null;
}
