using System.Buffers;
using System.Runtime.InteropServices;

namespace MsResampler.Server.Inputs;

/// <summary>Bytes of an array as float32, without a copy.</summary>
/// <param name="bytes">The bytes, of a number and at an address that float32 allows.</param>
internal sealed class RawFloats(ReadOnlyMemory<byte> bytes) : MemoryManager<float>
{
    /// <summary>Whether bytes are part of an array, at the address of a float32, and little-endian like the
    /// processor.</summary>
    public static bool CanView(ReadOnlyMemory<byte> bytes)
        => BitConverter.IsLittleEndian && MemoryMarshal.TryGetArray(bytes, out ArraySegment<byte> segment)
            && segment.Offset % sizeof(float) == 0;

    public override Span<float> GetSpan()
        => MemoryMarshal.Cast<byte, float>(MemoryMarshal.AsMemory(bytes).Span);

    public override MemoryHandle Pin(int elementIndex = 0) => bytes[(elementIndex * sizeof(float))..].Pin();

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
    }
}
