using System.Buffers.Binary;
using System.IO.Compression;

namespace MsResampler.Vision.Tests.Imaging;

/// <summary>PNG files of kinds that Skia cannot write.</summary>
internal static class PngFiles
{
    // The first column and row of each pass of Adam7, and the distances of its columns and rows.
    private static readonly (int X, int Y, int StepX, int StepY)[] s_passes =
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];

    /// <summary>Writes a file whose pixels have 8 or 16 bits per sample.</summary>
    /// <param name="width">Columns.</param>
    /// <param name="height">Rows.</param>
    /// <param name="bits">8 or 16.</param>
    /// <param name="colorType">0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGBA.</param>
    /// <param name="samples">The samples of pixel (x, y).</param>
    /// <param name="isInterlaced">Whether the pixels are stored in the order of Adam7.</param>
    /// <param name="chunks">Chunks between the header and the pixels.</param>
    public static byte[] Write(int width, int height, int bits, int colorType, Func<int, int, int[]> samples,
        bool isInterlaced = false, params byte[][] chunks)
    {
        using MemoryStream pixels = new();
        using (ZLibStream zlib = new(pixels, CompressionLevel.Fastest))
        {
            foreach ((int x0, int y0, int stepX, int stepY) in isInterlaced ? s_passes : [(0, 0, 1, 1)])
            {
                for (int y = y0; y < height && x0 < width; y += stepY)
                {
                    zlib.WriteByte(0);
                    for (int x = x0; x < width; x += stepX)
                    {
                        foreach (int sample in samples(x, y))
                        {
                            if (bits == 16)
                                zlib.WriteByte((byte)(sample >> 8));
                            zlib.WriteByte((byte)sample);
                        }
                    }
                }
            }
        }

        return [.. Start(width, height, bits, colorType, isInterlaced), .. chunks.SelectMany(chunk => chunk),
            .. Chunk("IDAT", pixels.ToArray()), .. Chunk("IEND", [])];
    }

    /// <summary>The signature and the header.</summary>
    public static byte[] Start(int width, int height, int bits, int colorType, bool isInterlaced = false)
    {
        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9], header[12]) = ((byte)bits, (byte)colorType, (byte)(isInterlaced ? 1 : 0));
        return [0x89, .. "PNG\r\n"u8, 0x1A, 0x0A, .. Chunk("IHDR", header)];
    }

    /// <summary>A chunk: length, type, content, checksum.</summary>
    public static byte[] Chunk(string type, byte[] content)
    {
        byte[] length = new byte[4], checksum = new byte[4];
        byte[] body = [.. System.Text.Encoding.ASCII.GetBytes(type), .. content];
        BinaryPrimitives.WriteInt32BigEndian(length, content.Length);
        BinaryPrimitives.WriteUInt32BigEndian(checksum, Checksum(body));
        return [.. length, .. body, .. checksum];
    }

    private static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        uint sum = uint.MaxValue;
        foreach (byte value in bytes)
        {
            sum ^= value;
            for (int bit = 0; bit < 8; bit++)
                sum = (sum >> 1) ^ ((sum & 1) * 0xEDB88320u);
        }

        return ~sum;
    }
}
