using System.Diagnostics;

namespace MsResampler.Safetensors;

/// <summary>The bytes of a checkpoint in memory: in blocks, so that they may exceed the length of an array.</summary>
internal sealed class CheckpointBytes
{
    /// <summary>The name in messages.</summary>
    public const string Name = "the checkpoint in memory";

    private const int StreamBlockBytes = 1 << 22;

    private readonly IReadOnlyList<ReadOnlyMemory<byte>> _blocks;
    private readonly int _blockBytes;

    private CheckpointBytes(IReadOnlyList<ReadOnlyMemory<byte>> blocks, int blockBytes, long length)
        => (_blocks, _blockBytes, Length) = (blocks, blockBytes, length);

    public long Length { get; }

    /// <summary>Bytes of the caller, which are not copied.</summary>
    public static CheckpointBytes Of(ReadOnlyMemory<byte> bytes)
        => new([bytes], Math.Max(1, bytes.Length), bytes.Length);

    /// <summary>Reads a stream from its position to its end. It need not have a length.</summary>
    /// <param name="stream">The stream; stays open.</param>
    /// <param name="cancellationToken">Checked between reads.</param>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public static CheckpointBytes ReadToEnd(Stream stream, CancellationToken cancellationToken)
    {
        List<ReadOnlyMemory<byte>> blocks = [];
        long length = 0;
        int count;
        do
        {
            cancellationToken.ThrowIfCancellationRequested();
            byte[] block = GC.AllocateUninitializedArray<byte>(StreamBlockBytes);
            count = stream.ReadAtLeast(block, block.Length, throwOnEndOfStream: false);
            blocks.Add(block.AsMemory(0, count));
            length += count;
        }
        while (count == StreamBlockBytes);
        return new CheckpointBytes(blocks, StreamBlockBytes, length);
    }

    /// <summary>Copies bytes; the caller has checked that they lie within <see cref="Length"/>.</summary>
    public void Read(long first, Span<byte> destination)
    {
        Debug.Assert(first >= 0 && first <= Length - destination.Length);
        while (!destination.IsEmpty)
        {
            (long block, long skipped) = Math.DivRem(first, _blockBytes);
            ReadOnlySpan<byte> source = _blocks[(int)block].Span[(int)skipped..];
            source = source[..Math.Min(source.Length, destination.Length)];
            source.CopyTo(destination);
            first += source.Length;
            destination = destination[source.Length..];
        }
    }
}
