using System.Buffers;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>Splits bytes into the pieces of a sequence, as a network does.</summary>
internal static class Segments
{
    /// <summary>A sequence of pieces of a length.</summary>
    public static ReadOnlySequence<byte> Of(byte[] bytes, int length)
    {
        if (bytes.Length <= length)
            return new ReadOnlySequence<byte>(bytes);
        Segment first = new(bytes.AsMemory(0, length), 0);
        Segment last = first;
        for (int start = length; start < bytes.Length; start += length)
            last = last.Append(bytes.AsMemory(start, Math.Min(length, bytes.Length - start)));
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, long index) => (Memory, RunningIndex) = (memory, index);

        public Segment Append(ReadOnlyMemory<byte> memory)
        {
            Segment next = new(memory, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
