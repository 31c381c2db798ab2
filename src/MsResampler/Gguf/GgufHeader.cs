using System.Buffers.Binary;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Gguf;

/// <summary>The validated header of a GGUF file of version 2 or 3, little-endian. Validation guarantees that every
/// tensor lies within the file and that no two tensors overlap.</summary>
internal sealed class GgufHeader
{
    private const uint Magic = 0x4655_4747; // "GGUF"
    private const int MaxKeyBytes = 4096;
    private const int MaxNameBytes = 64;
    private const int MaxDimensionCount = 4;
    private const int MaxNesting = 8;
    private const uint DefaultAlignment = 32;

    // A key of one byte, its type and a value of one byte; a name of one byte, number of dimensions, type and offset.
    private const int MinFieldBytes = 14;
    private const int MinTensorBytes = 25;

    private const string AlignmentKey = "general.alignment";

    private readonly GgufCursor _cursor;
    private readonly string _source;
    private readonly Dictionary<string, string> _texts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _numbers = new(StringComparer.Ordinal);
    private readonly List<GgufTensor> _tensors = [];

    private GgufHeader(GgufCursor cursor, string source) => (_cursor, _source) = (cursor, source);

    private enum ValueType : uint
    {
        UInt8, Int8, UInt16, Int16, UInt32, Int32, Float32, Bool, Text, Array, UInt64, Int64, Float64,
    }

    /// <summary>The tensors in the order of the header.</summary>
    public IReadOnlyList<GgufTensor> Tensors => _tensors;

    /// <summary>Validates a file.</summary>
    /// <param name="read">Reads bytes of the file from an offset.</param>
    /// <param name="fileBytes">The length of the file.</param>
    /// <param name="source">The name of the file, for messages.</param>
    /// <exception cref="GgufException">The file is invalid.</exception>
    public static GgufHeader Parse(Action<long, Span<byte>> read, long fileBytes, string source)
    {
        GgufHeader header = new(new GgufCursor(read, fileBytes, source), source);
        header.Parse();
        return header;
    }

    /// <summary>A field whose value is a text of at most 4096 bytes, or null.</summary>
    public string? Text(string key) => _texts.GetValueOrDefault(key);

    /// <summary>A field whose value is an integer of at most 32 bits, or null.</summary>
    public long? Number(string key) => _numbers.TryGetValue(key, out long number) ? number : null;

    private void Parse()
    {
        if (_cursor.FileBytes < sizeof(uint) || _cursor.ReadUInt32("the magic number") is not Magic)
            throw Fail(GgufError.NotGguf, "expected a file that begins with \"GGUF\", found another format");
        uint version = _cursor.ReadUInt32("the version");
        if (version is not (2 or 3))
        {
            uint swapped = BinaryPrimitives.ReverseEndianness(version);
            throw swapped is >= 1 and <= 3
                ? Fail(GgufError.BigEndian, "expected little-endian numbers, found a big-endian file of version " +
                    $"{swapped}; convert it")
                : Fail(GgufError.UnsupportedVersion, $"expected version 2 or 3, found {version}");
        }

        ulong tensorCount = _cursor.ReadUInt64("the number of tensors");
        ulong fieldCount = _cursor.ReadUInt64("the number of fields");
        _cursor.RequireCount(tensorCount, MinTensorBytes, "the number of tensors");
        _cursor.RequireCount(fieldCount, MinFieldBytes, "the number of fields");
        HashSet<string> keys = new(StringComparer.Ordinal);
        for (ulong index = 0; index < fieldCount; index++)
            ReadField(keys);
        uint alignment = ReadAlignment(keys);
        HashSet<string> names = new(StringComparer.Ordinal);
        for (ulong index = 0; index < tensorCount; index++)
            ReadTensor(names, alignment);
        Place(alignment);
    }

    private void ReadField(HashSet<string> keys)
    {
        string key = _cursor.ReadText("a key", MaxKeyBytes);
        if (!keys.Add(key))
            throw Fail(GgufError.DuplicateKey, $"field {Quote(key)}: expected each key once, found it twice");
        ValueType type = ReadType(key);
        switch (type)
        {
            case ValueType.Text:
                ReadTextValue(key);
                break;
            case ValueType.Array:
                SkipArray(key, 1);
                break;
            case ValueType.UInt32:
                _numbers.Add(key, _cursor.ReadUInt32(Quote(key)));
                break;
            case ValueType.Int32:
                _numbers.Add(key, (int)_cursor.ReadUInt32(Quote(key)));
                break;
            default:
                _cursor.Skip(BytesOf(type), Quote(key));
                break;
        }
    }

    /// <summary>Reads a text, or passes over one that is longer than any that is used.</summary>
    private void ReadTextValue(string key)
    {
        ulong length = _cursor.ReadUInt64(Quote(key));
        if (length > MaxKeyBytes)
            _cursor.Skip(length, Quote(key));
        else
            _texts.Add(key, _cursor.ReadText(Quote(key), length));
    }

    private ValueType ReadType(string key)
    {
        uint type = _cursor.ReadUInt32(Quote(key));
        return type <= (uint)ValueType.Float64 ? (ValueType)type : throw Fail(GgufError.UnknownValueType,
            $"field {Quote(key)}: expected a type from 0 to {(uint)ValueType.Float64}, found {type}");
    }

    private void SkipArray(string key, int depth)
    {
        if (depth > MaxNesting)
            throw Fail(GgufError.NestedTooDeep, $"field {Quote(key)}: expected at most {MaxNesting} nested arrays, " +
                "found more");
        ValueType type = ReadType(key);
        ulong count = _cursor.ReadUInt64(Quote(key));
        uint elementBytes = BytesOf(type);
        _cursor.RequireCount(count, elementBytes, $"elements of {Quote(key)}");
        if (type is not (ValueType.Text or ValueType.Array))
        {
            _cursor.Skip(count * elementBytes, Quote(key));
            return;
        }

        for (ulong index = 0; index < count; index++)
        {
            if (type == ValueType.Array)
                SkipArray(key, depth + 1);
            else
                _cursor.Skip(_cursor.ReadUInt64(Quote(key)), Quote(key));
        }
    }

    /// <summary>The size of a value in bytes; for a text or an array, the least size that it can have.</summary>
    private static uint BytesOf(ValueType type) => type switch
    {
        ValueType.UInt8 or ValueType.Int8 or ValueType.Bool => 1,
        ValueType.UInt16 or ValueType.Int16 => 2,
        ValueType.UInt32 or ValueType.Int32 or ValueType.Float32 => 4,
        ValueType.Array => 12,
        _ => 8,
    };

    private uint ReadAlignment(HashSet<string> keys)
    {
        if (!keys.Contains(AlignmentKey))
            return DefaultAlignment;
        if (Number(AlignmentKey) is not { } alignment)
            throw Fail(GgufError.WrongValueType, $"field {Quote(AlignmentKey)}: expected a 32-bit integer, found " +
                "another type");
        return alignment >= 8 && long.IsPow2(alignment) ? (uint)alignment : throw Fail(GgufError.BadAlignment,
            $"field {Quote(AlignmentKey)}: expected a power of two from 8 on, found {alignment}");
    }

    private void ReadTensor(HashSet<string> names, uint alignment)
    {
        string name = _cursor.ReadText("the name of a tensor", MaxNameBytes);
        string tensor = $"tensor {Quote(name)}";
        if (!names.Add(name))
            throw Fail(GgufError.DuplicateTensor, $"{tensor}: expected each name once, found it twice");
        uint dimensionCount = _cursor.ReadUInt32(tensor);
        if (dimensionCount > MaxDimensionCount)
            throw Fail(GgufError.TooManyDimensions,
                $"{tensor}: expected at most {MaxDimensionCount} dimensions, found {dimensionCount}");
        long[] shape = new long[dimensionCount];
        long elementCount = 1;
        for (int axis = shape.Length - 1; axis >= 0; axis--)
        {
            ulong extent = _cursor.ReadUInt64(tensor);
            if (extent > long.MaxValue || Math.BigMul(elementCount, (long)extent, out elementCount) != 0
                || elementCount < 0)
                throw Fail(GgufError.SizeOverflow, $"{tensor}: expected fewer than 2^63 elements, found more");
            shape[axis] = (long)extent;
        }

        uint number = _cursor.ReadUInt32(tensor);
        GgufTensorType type = GgufTensorType.Find(number) ?? throw Fail(GgufError.UnknownTensorType,
            $"{tensor}: expected a type of ggml, found {number}");
        if (shape.LastOrDefault(1) % type.BlockElementCount != 0)
        {
            throw Fail(GgufError.PartialBlock, $"{tensor}: expected rows of whole blocks of {type.BlockElementCount} " +
                $"elements of {type.Name}, found {shape.LastOrDefault(1)} elements");
        }

        if (Math.BigMul(elementCount / type.BlockElementCount, type.BlockBytes, out long byteCount) != 0
            || byteCount < 0)
            throw Fail(GgufError.SizeOverflow, $"{tensor}: expected fewer than 2^63 bytes, found more");
        ulong offset = _cursor.ReadUInt64(tensor);
        if (offset % alignment != 0)
            throw Fail(GgufError.Misaligned, $"{tensor}: expected an offset that is a multiple of {alignment}, found " +
                $"{offset}");
        if (offset > (ulong)_cursor.FileBytes)
            throw PastEnd(name, offset, byteCount);
        _tensors.Add(new GgufTensor(name, type, shape, elementCount, (long)offset, byteCount));
    }

    /// <summary>Makes offsets those in the file, and checks that tensors lie within the file and do not
    /// overlap.</summary>
    private void Place(uint alignment)
    {
        long dataStart = (_cursor.Position + alignment - 1) / alignment * alignment;
        for (int index = 0; index < _tensors.Count; index++)
        {
            GgufTensor tensor = _tensors[index];
            if (tensor.FirstByte > _cursor.FileBytes - dataStart
                || tensor.ByteCount > _cursor.FileBytes - dataStart - tensor.FirstByte)
                throw PastEnd(tensor.Name, (ulong)tensor.FirstByte, tensor.ByteCount);
            _tensors[index] = tensor with { FirstByte = dataStart + tensor.FirstByte };
        }

        GgufTensor? previous = null;
        foreach (GgufTensor tensor in _tensors.Where(tensor => tensor.ByteCount > 0)
            .OrderBy(tensor => tensor.FirstByte))
        {
            if (previous is not null && tensor.FirstByte < previous.FirstByte + previous.ByteCount)
            {
                throw Fail(GgufError.Overlap, $"tensor {Quote(tensor.Name)}: expected bytes of its own, found that " +
                    $"it shares some with {Quote(previous.Name)}");
            }

            previous = tensor;
        }
    }

    private GgufException PastEnd(string name, ulong offset, long byteCount) => Fail(GgufError.DataTooShort,
        $"tensor {Quote(name)}: expected {byteCount} bytes at offset {offset} of the data, found a file of " +
        $"{_cursor.FileBytes} bytes; was it cut short?");

    private GgufException Fail(GgufError error, string problem) => new(error, _source, problem);
}
