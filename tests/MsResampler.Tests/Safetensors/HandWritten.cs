using System.Buffers.Binary;
using System.Text;

namespace MsResampler.Tests.Safetensors;

/// <summary>Files given as byte strings.</summary>
internal static class HandWritten
{
    /// <summary>A given header, preceded by its length and followed by zeros.</summary>
    public static byte[] File(string header, int dataBytes = 0) => File(Encoding.UTF8.GetBytes(header),
        new byte[dataBytes]);

    public static byte[] File(byte[] header, byte[] data)
    {
        byte[] length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        return [.. length, .. header, .. data];
    }
}
