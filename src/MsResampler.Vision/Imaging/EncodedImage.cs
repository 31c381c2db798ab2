namespace MsResampler.Vision;

/// <summary>The bytes of an encoded image, with the memory that is reserved for them.</summary>
/// <param name="name">Names the image in messages.</param>
/// <param name="bytes">The bytes.</param>
/// <param name="lease">The reserved memory; null if the caller owns the bytes.</param>
internal sealed class EncodedImage(string name, ReadOnlyMemory<byte> bytes, DecodingBudget.Lease? lease) : IDisposable
{
    /// <summary>Names the image in messages.</summary>
    public string Name { get; } = name;

    /// <summary>The bytes.</summary>
    public ReadOnlyMemory<byte> Bytes { get; } = bytes;

    public void Dispose() => lease?.Dispose();
}
