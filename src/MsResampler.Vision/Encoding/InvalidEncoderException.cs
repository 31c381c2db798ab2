namespace MsResampler.Vision;

/// <summary>A file is not an ONNX image encoder, an option does not fit it, or its output cannot be read as patch
/// features.</summary>
public sealed class InvalidEncoderException : Exception
{
    /// <inheritdoc/>
    public InvalidEncoderException()
    {
    }

    /// <inheritdoc/>
    public InvalidEncoderException(string message)
        : base(message)
    {
    }

    /// <inheritdoc/>
    public InvalidEncoderException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
