using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace MsResampler.Cli.Photos;

/// <summary>Identifies photos by the first half of the SHA-256 of their names. A million of them need 16 MB.</summary>
internal static class PhotoId
{
    /// <summary>The first 128 bits of the SHA-256 of the name in UTF-8.</summary>
    public static UInt128 Of(string name)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(name), hash);
        return BinaryPrimitives.ReadUInt128BigEndian(hash);
    }
}
