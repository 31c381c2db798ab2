using System.IO.Hashing;
using System.Text;
using MsResampler.Safetensors;

namespace MsResampler.Cli.Output;

/// <summary>The bytes around the data of a tensor in a file of <c>torch.save</c>: a ZIP archive whose entries are
/// stored without compression. <c>torch.load</c> reads it with <c>weights_only=True</c>, also mapped to
/// memory.</summary>
internal sealed class TorchFile
{
    // The entries may have any folder; torch.save has this one if it writes to a stream.
    private const string Folder = "archive/";
    private const string Storage = "0";

    // The alignment of torch.save.
    private const int Alignment = 64;
    private const ushort PaddingField = 0x4246;
    private const ushort Zip64Field = 1;
    private const int FieldHeaderBytes = 4;
    private const int ChecksumPosition = 14;
    private const uint LocalSignature = 0x0403_4b50;
    private const uint CentralSignature = 0x0201_4b50;
    private const uint EndSignature = 0x0605_4b50;
    private const uint Zip64EndSignature = 0x0606_4b50;
    private const uint Zip64LocatorSignature = 0x0706_4b50;
    private const ushort VersionOfZip64 = 45;

    // The first of January 1980, so that equal tokens give equal files.
    private const ushort Date = (1 << 5) | 1;

    private readonly List<Entry> _entries = [];
    private readonly Entry _data;

    /// <param name="type">F32, F16 or BF16.</param>
    /// <param name="shape">The extents, outermost first.</param>
    public TorchFile(TensorType type, ReadOnlySpan<long> shape)
    {
        using MemoryStream start = new();
        using BinaryWriter writer = new(start);
        AddEntry(writer, "data.pkl", Pickle(type, shape));
        AddEntry(writer, "byteorder", "little"u8);
        _data = AddHeader(writer, $"data/{Storage}",
            ElementCount(shape) * (TensorTypes.BitsOf(type) / 8), checksum: 0);
        Start = start.ToArray();
    }

    /// <summary>The bytes before the data.</summary>
    public byte[] Start { get; }

    /// <summary>The place of <see cref="Checksum"/> in the file. It is written after the data.</summary>
    public long ChecksumOffset => _data.Offset + ChecksumPosition;

    /// <summary>The bytes of a checksum.</summary>
    public static byte[] Checksum(uint checksum) => BitConverter.GetBytes(checksum);

    /// <summary>The bytes after the data.</summary>
    /// <param name="checksum">The CRC-32 of the data.</param>
    public byte[] End(uint checksum)
    {
        using MemoryStream end = new();
        using BinaryWriter writer = new(end);
        long first = Start.Length + _data.Size;
        List<Entry> entries = [.. _entries[..^1], _data with { Checksum = checksum }];
        entries.Add(AddEntry(writer, "version", "3\n"u8, first));
        long directory = first + end.Length;
        foreach (Entry entry in entries)
            WriteDirectory(writer, entry);
        long directoryBytes = first + end.Length - directory;
        if (directory >= uint.MaxValue)
            WriteZip64End(writer, entries.Count, directory, directoryBytes);
        writer.Write(EndSignature);
        writer.Write(0u); // disks
        writer.Write((ushort)entries.Count);
        writer.Write((ushort)entries.Count);
        writer.Write((uint)directoryBytes);
        writer.Write(Short(directory));
        writer.Write((ushort)0); // comment
        return end.ToArray();
    }

    /// <summary>The description of a contiguous tensor in the storage, in protocol 2 of pickle.</summary>
    internal static byte[] Pickle(TensorType type, ReadOnlySpan<long> shape)
    {
        using MemoryStream pickle = new();
        using BinaryWriter writer = new(pickle);
        writer.Write([0x80, 2]);
        WriteGlobal(writer, "torch._utils", "_rebuild_tensor_v2");
        writer.Write("(("u8);
        WriteText(writer, "storage");
        WriteGlobal(writer, "torch", type switch
        {
            TensorType.F32 => "FloatStorage",
            TensorType.F16 => "HalfStorage",
            TensorType.BF16 => "BFloat16Storage",
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "expected F32, F16 or BF16"),
        });
        WriteText(writer, Storage);
        WriteText(writer, "cpu");
        WriteInteger(writer, ElementCount(shape));
        writer.Write("tQ"u8); // The tuple names the storage.
        WriteInteger(writer, 0);
        writer.Write((byte)'(');
        foreach (long extent in shape)
            WriteInteger(writer, extent);
        writer.Write("t("u8);
        for (int axis = 0; axis < shape.Length; axis++)
            WriteInteger(writer, ElementCount(shape[(axis + 1)..]));
        writer.Write([(byte)'t', 0x89]); // No gradient.
        WriteGlobal(writer, "collections", "OrderedDict");
        writer.Write(")RtR."u8);
        return pickle.ToArray();
    }

    private static long ElementCount(ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (long extent in shape)
            count = checked(count * extent);
        return count;
    }

    private static void WriteGlobal(BinaryWriter writer, string module, string name)
        => writer.Write(Encoding.ASCII.GetBytes($"c{module}\n{name}\n"));

    private static void WriteText(BinaryWriter writer, string text)
    {
        writer.Write((byte)'X');
        writer.Write(text.Length);
        writer.Write(Encoding.ASCII.GetBytes(text));
    }

    private static void WriteInteger(BinaryWriter writer, long value)
    {
        if (value <= byte.MaxValue)
        {
            writer.Write([(byte)'K', (byte)value]);
        }
        else if (value <= ushort.MaxValue)
        {
            writer.Write((byte)'M');
            writer.Write((ushort)value);
        }
        else if (value <= int.MaxValue)
        {
            writer.Write((byte)'J');
            writer.Write((int)value);
        }
        else
        {
            writer.Write([0x8a, sizeof(long)]);
            writer.Write(value);
        }
    }

    private Entry AddEntry(BinaryWriter writer, string name, ReadOnlySpan<byte> content, long before = 0)
    {
        Entry entry = AddHeader(writer, name, content.Length, Crc32.HashToUInt32(content), before);
        writer.Write(content);
        return entry;
    }

    /// <summary>Writes the header of an entry, so that its content is aligned.</summary>
    /// <param name="writer">Where to write.</param>
    /// <param name="name">The name of the entry in the folder.</param>
    /// <param name="size">The bytes of the entry.</param>
    /// <param name="checksum">The CRC-32 of the bytes.</param>
    /// <param name="before">The bytes of the file before those of the writer.</param>
    private Entry AddHeader(BinaryWriter writer, string name, long size, uint checksum, long before = 0)
    {
        Entry entry = new(Folder + name, size, checksum, before + writer.BaseStream.Length);
        _entries.Add(entry);
        byte[] sizes = entry.IsLarge ? Zip64(size, size) : [];
        const int FixedBytes = 30;
        long unaligned = entry.Offset + FixedBytes + entry.Name.Length + sizes.Length + FieldHeaderBytes;
        int padding = (int)(-unaligned & (Alignment - 1));
        writer.Write(LocalSignature);
        WriteCommon(writer, entry, sizes.Length + FieldHeaderBytes + padding);
        writer.Write(Encoding.ASCII.GetBytes(entry.Name));
        writer.Write(sizes);
        writer.Write(PaddingField);
        writer.Write((ushort)padding);
        writer.Write(new byte[padding]);
        return entry;
    }

    private static void WriteCommon(BinaryWriter writer, Entry entry, int fieldBytes)
    {
        writer.Write(VersionOfZip64);
        writer.Write(0u); // No flags, stored.
        writer.Write((ushort)0); // midnight
        writer.Write(Date);
        writer.Write(entry.Checksum);
        writer.Write(Short(entry.Size, entry.IsLarge));
        writer.Write(Short(entry.Size, entry.IsLarge));
        writer.Write((ushort)entry.Name.Length);
        writer.Write((ushort)fieldBytes);
    }

    private static void WriteDirectory(BinaryWriter writer, Entry entry)
    {
        bool isFar = entry.Offset >= uint.MaxValue;
        long[] sizes = entry.IsLarge ? [entry.Size, entry.Size] : [];
        long[] large = isFar ? [.. sizes, entry.Offset] : sizes;
        byte[] field = large.Length == 0 ? [] : Zip64(large);
        writer.Write(CentralSignature);
        writer.Write(VersionOfZip64);
        WriteCommon(writer, entry, field.Length);
        writer.Write(new byte[10]); // No comment, first disk, no attributes.
        writer.Write(Short(entry.Offset));
        writer.Write(Encoding.ASCII.GetBytes(entry.Name));
        writer.Write(field);
    }

    private static void WriteZip64End(BinaryWriter writer, int count, long directory, long directoryBytes)
    {
        const long RemainingBytes = 44;
        writer.Write(Zip64EndSignature);
        writer.Write(RemainingBytes);
        writer.Write(VersionOfZip64);
        writer.Write(VersionOfZip64);
        writer.Write(0L); // disks
        writer.Write((long)count);
        writer.Write((long)count);
        writer.Write(directoryBytes);
        writer.Write(directory);
        writer.Write(Zip64LocatorSignature);
        writer.Write(0u); // disk
        writer.Write(directory + directoryBytes);
        writer.Write(1u); // disks
    }

    private static byte[] Zip64(params ReadOnlySpan<long> values)
    {
        using MemoryStream field = new();
        using BinaryWriter writer = new(field);
        writer.Write(Zip64Field);
        writer.Write((ushort)(values.Length * sizeof(long)));
        foreach (long value in values)
            writer.Write(value);
        return field.ToArray();
    }

    private static uint Short(long value) => Short(value, value >= uint.MaxValue);

    private static uint Short(long value, bool isLarge) => isLarge ? uint.MaxValue : (uint)value;

    private sealed record Entry(string Name, long Size, uint Checksum, long Offset)
    {
        public bool IsLarge => Size >= uint.MaxValue;
    }
}
