using System.Buffers;
using System.Runtime.InteropServices;
using Google.Protobuf;
using MsResampler.Server.Grpc;

namespace MsResampler.Server.Tests.Grpc;

/// <summary>Floats as bytes without a copy.</summary>
internal sealed unsafe class FloatBytesTests
{
    private static readonly float[] s_values = [1, -2, 3.5f, float.Epsilon];

    [Test]
    public void The_bytes_are_those_of_the_floats()
        => Assert.That(new FloatBytes(s_values.AsMemory(1, 2)).Memory.ToArray(),
            Is.EqualTo(MemoryMarshal.AsBytes<float>([-2, 3.5f]).ToArray()));

    [Test]
    public void The_bytes_are_in_the_memory_of_the_floats()
    {
        FloatBytes bytes = new(s_values);
        Assert.That(bytes.GetSpan().Overlaps(MemoryMarshal.AsBytes(s_values.AsSpan())), Is.True);
    }

    [Test]
    public void Pinned_bytes_are_at_the_address_of_the_floats()
    {
        using MemoryHandle handle = new FloatBytes(s_values).Memory[4..].Pin();
        Assert.That(*(float*)handle.Pointer, Is.EqualTo(-2));
    }

    [Test]
    public void A_message_serialises_them()
    {
        ByteString bytes = UnsafeByteOperations.UnsafeWrap(new FloatBytes(s_values).Memory);
        Assert.That(bytes.ToByteArray(), Is.EqualTo(MemoryMarshal.AsBytes(s_values.AsSpan()).ToArray()));
    }
}
