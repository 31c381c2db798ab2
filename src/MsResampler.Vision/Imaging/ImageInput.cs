namespace MsResampler.Vision;

/// <summary>An encoded image: a file, bytes in memory, or a stream.</summary>
public sealed class ImageInput
{
    private readonly Func<CancellationToken, ReadOnlyMemory<byte>> _read;

    private ImageInput(string name, Func<CancellationToken, ReadOnlyMemory<byte>> read) => (Name, _read) = (name, read);

    /// <summary>Names the image in messages.</summary>
    public string Name { get; }

    /// <summary>A file. It is opened when the image is decoded.</summary>
    public static ImageInput FromFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new ImageInput(path, _ => File.ReadAllBytes(path));
    }

    /// <summary>Bytes in memory. They must not change until the image is decoded.</summary>
    public static ImageInput FromBytes(ReadOnlyMemory<byte> bytes, string? name = null)
        => new(name ?? "image", _ => bytes);

    /// <summary>Reads the encoded bytes.</summary>
    internal ReadOnlyMemory<byte> Read(CancellationToken cancellationToken) => _read(cancellationToken);
}
