using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace MsResampler.Tests.Gguf;

/// <summary>Writes GGUF files of version 3, field by field and tensor by tensor.</summary>
internal sealed class GgufBytes
{
    public const uint F32 = 0;
    public const uint F16 = 1;
    public const uint Q8 = 8;
    public const uint F64 = 28;
    public const uint BF16 = 30;

    private const int Alignment = 32;

    private readonly List<byte> _fields = [];
    private readonly List<byte> _infos = [];
    private readonly List<byte> _data = [];
    private ulong _fieldCount;
    private ulong _tensorCount;

    public uint Version { get; init; } = 3;

    public GgufBytes Text(string key, string value)
        => Field(key, 8, [.. BitConverter.GetBytes((ulong)Encoding.UTF8.GetByteCount(value)),
            .. Encoding.UTF8.GetBytes(value)]);

    public GgufBytes UInt32(string key, uint value) => Field(key, 4, BitConverter.GetBytes(value));

    public GgufBytes Int32(string key, int value) => Field(key, 5, BitConverter.GetBytes(value));

    /// <summary>A field of any type.</summary>
    public GgufBytes Field(string key, uint type, params byte[] value)
    {
        _fields.AddRange(Named(key));
        _fields.AddRange(BitConverter.GetBytes(type));
        _fields.AddRange(value);
        _fieldCount++;
        return this;
    }

    /// <summary>A tensor with its bytes, at the next aligned offset.</summary>
    /// <param name="name">The name.</param>
    /// <param name="type">The number of its type.</param>
    /// <param name="shape">The extents, outermost first.</param>
    /// <param name="bytes">The stored bytes.</param>
    /// <param name="offset">The offset; null for the next one.</param>
    public GgufBytes Tensor(string name, uint type, long[] shape, byte[] bytes, ulong? offset = null)
    {
        while (_data.Count % Alignment != 0)
            _data.Add(0);
        _infos.AddRange(Named(name));
        _infos.AddRange(BitConverter.GetBytes((uint)shape.Length));
        foreach (long extent in shape.Reverse())
            _infos.AddRange(BitConverter.GetBytes(extent));
        _infos.AddRange(BitConverter.GetBytes(type));
        _infos.AddRange(BitConverter.GetBytes(offset ?? (ulong)_data.Count));
        _data.AddRange(bytes);
        _tensorCount++;
        return this;
    }

    /// <summary>A tensor of floats in one of the types that are read.</summary>
    public GgufBytes Tensor(string name, uint type, long[] shape, float[] values)
        => Tensor(name, type, shape, Encode(type, values));

    public byte[] ToArray(ulong? fieldCount = null, ulong? tensorCount = null)
    {
        List<byte> bytes =
        [
            .. "GGUF"u8, .. BitConverter.GetBytes(Version), .. BitConverter.GetBytes(tensorCount ?? _tensorCount),
            .. BitConverter.GetBytes(fieldCount ?? _fieldCount), .. _fields, .. _infos,
        ];
        while (bytes.Count % Alignment != 0)
            bytes.Add(0);
        return [.. bytes, .. _data];
    }

    /// <summary>The values of Q8_0 blocks, computed in double precision.</summary>
    public static double[] DecodeQ8(byte[] blocks) => [.. Enumerable.Range(0, blocks.Length / 34 * 32).Select(index =>
    {
        ReadOnlySpan<byte> block = blocks.AsSpan(index / 32 * 34, 34);
        return (double)BinaryPrimitives.ReadHalfLittleEndian(block) * (sbyte)block[2 + (index % 32)];
    })];

    public static byte[] Encode(uint type, float[] values) => type switch
    {
        F32 => MemoryMarshal.AsBytes<float>(values).ToArray(),
        F16 => [.. values.SelectMany(value => BitConverter.GetBytes((Half)value))],
        BF16 => [.. values.SelectMany(value => BitConverter.GetBytes(value).Skip(2))],
        F64 => [.. values.SelectMany(value => BitConverter.GetBytes((double)value))],
        Q8 => [.. values.Chunk(32).SelectMany(EncodeBlock)],
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };

    private static byte[] EncodeBlock(float[] values)
    {
        float factor = values.Max(MathF.Abs) / 127;
        return [.. BitConverter.GetBytes((Half)factor),
            .. values.Select(value => (byte)(sbyte)Math.Round(factor == 0 ? 0 : value / factor))];
    }

    private static byte[] Named(string name)
        => [.. BitConverter.GetBytes((ulong)Encoding.UTF8.GetByteCount(name)), .. Encoding.UTF8.GetBytes(name)];
}
