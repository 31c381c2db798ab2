namespace MsResampler.Vision;

/// <summary>An image cannot be decoded: its file cannot be read, is damaged, too large or not a picture.</summary>
public sealed class InvalidImageException : Exception
{
    /// <summary>Creates the exception for an image.</summary>
    /// <param name="imageName">The name of the image.</param>
    /// <param name="problem">What was expected and what was found.</param>
    /// <param name="inner">The exception that caused this one, or null.</param>
    public InvalidImageException(string imageName, string problem, Exception? inner = null)
        : base($"{imageName}: {problem}", inner)
    {
        ImageName = imageName;
    }

    /// <summary>The name of the image.</summary>
    public string ImageName { get; }
}
