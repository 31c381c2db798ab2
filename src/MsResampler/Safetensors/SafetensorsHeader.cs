using System.Buffers.Binary;
using System.Text.Json;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Safetensors;

/// <summary>The validated header of one file. Validation guarantees that every tensor lies within the file, that
/// no two tensors overlap, and that the tensors cover all bytes after the header.</summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The size of the length field that precedes the header.</summary>
    public const int LengthBytes = sizeof(ulong);

    /// <summary>The largest header that the reference implementation accepts.</summary>
    public const int MaxBytes = 100_000_000;

    public const string MetadataName = "__metadata__";

    private static readonly string[] s_typeNames = Enum.GetNames<TensorType>();

    private SafetensorsHeader(TensorInfo[] tensors, Dictionary<string, string> metadata, long dataStart)
    {
        Tensors = tensors;
        Metadata = metadata;
        DataStart = dataStart;
    }

    /// <summary>The tensors in the order of their bytes.</summary>
    public TensorInfo[] Tensors { get; }

    public Dictionary<string, string> Metadata { get; }

    /// <summary>The offset of the tensors' bytes in the file.</summary>
    public long DataStart { get; }

    /// <summary>The number of bytes at the start of a file that <see cref="Parse"/> needs.</summary>
    /// <param name="start">The file's first <see cref="LengthBytes"/> bytes or more; all bytes of a shorter
    /// file.</param>
    /// <param name="fileBytes">The length of the whole file.</param>
    public static int StartBytes(ReadOnlySpan<byte> start, long fileBytes) =>
        fileBytes >= LengthBytes && BinaryPrimitives.ReadUInt64LittleEndian(start) is <= MaxBytes and ulong bytes
            ? (int)Math.Min(fileBytes, LengthBytes + (long)bytes)
            : (int)Math.Min(fileBytes, LengthBytes);

    /// <summary>Validates a file from its first bytes and its length.</summary>
    /// <param name="start">The file's first <see cref="StartBytes"/> bytes or more.</param>
    /// <param name="fileBytes">The length of the whole file.</param>
    /// <param name="source">The file's name for error messages.</param>
    /// <param name="fileIndex">The value of <see cref="TensorInfo.FileIndex"/> for all tensors.</param>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> start, long fileBytes, string source,
        int fileIndex = 0)
    {
        if (fileBytes < LengthBytes)
        {
            throw new SafetensorsException(SafetensorsError.FileTooShort, source,
                $"expected at least {LengthBytes} bytes, found {fileBytes}" +
                (fileBytes == 0 ? ": the file is empty" : ""));
        }

        ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(start);
        if (headerBytes > MaxBytes)
        {
            throw new SafetensorsException(SafetensorsError.HeaderTooLong, source,
                $"expected a header of at most {MaxBytes} bytes, found a length of {headerBytes}; " +
                "is this a safetensors file?");
        }

        long dataStart = LengthBytes + (long)headerBytes;
        if (dataStart > fileBytes)
        {
            throw new SafetensorsException(SafetensorsError.HeaderPastEnd, source,
                $"expected a header of {headerBytes} bytes, found {fileBytes - LengthBytes} in the file");
        }

        StrictJson json = new(start[LengthBytes..(int)dataStart], source);
        List<TensorInfo> tensors = [];
        HashSet<string> names = [];
        Dictionary<string, string>? metadata = null;
        json.ReadRoot();
        while (json.ReadProperty())
        {
            string name = json.GetString();
            if (name == MetadataName)
            {
                if (metadata is not null)
                {
                    json.Fail(SafetensorsError.DuplicateField,
                        $"expected {MetadataName} once, found it twice");
                }

                metadata = ReadMetadata(ref json);
                continue;
            }

            json.Tensor = name;
            if (!names.Add(name))
                json.Fail(SafetensorsError.DuplicateTensor, "expected each name once, found it twice");
            tensors.Add(ReadTensor(ref json, name, fileIndex));
            json.Tensor = null;
        }

        json.ReadEnd();
        TensorInfo[] ordered = [.. tensors];
        Array.Sort(ordered, static (left, right) => left.FirstByte != right.FirstByte
            ? left.FirstByte.CompareTo(right.FirstByte)
            : left.ByteCount.CompareTo(right.ByteCount));
        CheckCoverage(ordered, fileBytes - dataStart, source);
        return new SafetensorsHeader(ordered, metadata ?? [], dataStart);
    }

    private static Dictionary<string, string> ReadMetadata(ref StrictJson json)
    {
        if (json.Read() == JsonTokenType.Null)
            return [];
        if (json.Token != JsonTokenType.StartObject)
        {
            json.Fail(SafetensorsError.MetadataNotStrings,
                $"{MetadataName}: expected an object of strings, found {json.Found}");
        }

        Dictionary<string, string> metadata = [];
        while (json.ReadProperty())
        {
            string key = json.GetString();
            if (json.Read() != JsonTokenType.String)
            {
                json.Fail(SafetensorsError.MetadataNotStrings,
                    $"{MetadataName}: {Quote(key)}: expected a string, found {json.Found}");
            }

            if (!metadata.TryAdd(key, json.GetString()))
            {
                json.Fail(SafetensorsError.DuplicateField,
                    $"{MetadataName}: expected {Quote(key)} once, found it twice");
            }
        }

        return metadata;
    }

    private static TensorInfo ReadTensor(ref StrictJson json, string name, int fileIndex)
    {
        if (json.Read() != JsonTokenType.StartObject)
        {
            json.Fail(SafetensorsError.EntryNotObject,
                $"expected an object of dtype, shape and data_offsets, found {json.Found}");
        }

        TensorType? type = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (json.ReadProperty())
        {
            if (json.IsText("dtype"u8))
            {
                RequireFirst(ref json, "dtype", type is null);
                type = ReadType(ref json);
            }
            else if (json.IsText("shape"u8))
            {
                RequireFirst(ref json, "shape", shape is null);
                shape = json.ReadCounts("shape");
            }
            else if (json.IsText("data_offsets"u8))
            {
                RequireFirst(ref json, "data_offsets", offsets is null);
                offsets = json.ReadCounts("data_offsets");
            }
            else
            {
                json.SkipValue(); // as the reference implementation does
            }
        }

        if (type is null || shape is null || offsets is null)
        {
            string missing = type is null ? "dtype" : shape is null ? "shape" : "data_offsets";
            json.Fail(SafetensorsError.MissingField,
                $"expected dtype, shape and data_offsets, found no {missing}");
        }

        if (offsets.Length != 2)
        {
            json.Fail(SafetensorsError.OffsetCount,
                $"data_offsets: expected 2 integers, found {offsets.Length}");
        }

        if (offsets[1] < offsets[0])
        {
            json.Fail(SafetensorsError.EndBeforeStart,
                $"data_offsets: expected the end at or after the start, found [{offsets[0]}, {offsets[1]}]");
        }

        SizeProblem problem =
            TensorSize.Compute(type.Value, shape, out long elementCount, out long byteCount);
        if (problem != SizeProblem.None)
        {
            bool isOverflow = problem == SizeProblem.Overflow;
            json.Fail(isOverflow ? SafetensorsError.SizeOverflow : SafetensorsError.PartialByte,
                TensorSize.Describe(problem, type.Value, shape));
        }

        if (offsets[1] - offsets[0] != byteCount)
        {
            json.Fail(SafetensorsError.SizeMismatch, $"expected {byteCount} bytes for {type} " +
                $"{TensorSize.Describe(shape)}, found {offsets[1] - offsets[0]} between its data_offsets");
        }

        return new TensorInfo(name, type.Value, shape, elementCount, offsets[0], byteCount, fileIndex);
    }

    private static TensorType ReadType(ref StrictJson json)
    {
        int index = json.Read() == JsonTokenType.String ? Array.IndexOf(s_typeNames, json.GetString()) : -1;
        if (index < 0)
        {
            json.Fail(SafetensorsError.UnknownType,
                $"dtype: expected one of {string.Join(", ", s_typeNames)}, found {json.Found}");
        }

        return (TensorType)index;
    }

    private static void RequireFirst(ref StrictJson json, string field, bool isFirst)
    {
        if (!isFirst)
            json.Fail(SafetensorsError.DuplicateField, $"expected {field} once, found it twice");
    }

    private static void CheckCoverage(TensorInfo[] ordered, long dataBytes, string source)
    {
        long end = 0;
        string? previous = null;
        foreach (TensorInfo tensor in ordered)
        {
            if (tensor.FirstByte != end)
            {
                SafetensorsError error = tensor.FirstByte < end ? SafetensorsError.Overlap
                    : previous is null ? SafetensorsError.FirstOffsetNotZero
                    : SafetensorsError.Hole;
                string place = previous is null ? "as the first" : $"where tensor {Quote(previous)} ends";
                throw new SafetensorsException(error, source, $"tensor {Quote(tensor.Name)}: " +
                    $"expected to start at offset {end}, {place}, found {tensor.FirstByte}");
            }

            end += tensor.ByteCount;
            previous = tensor.Name;
        }

        if (end != dataBytes)
        {
            string place = previous is null ? "for no tensor" : $"where tensor {Quote(previous)} ends";
            throw new SafetensorsException(
                end > dataBytes ? SafetensorsError.DataTooShort : SafetensorsError.DataTooLong, source,
                $"expected {end} bytes after the header, {place}, found {dataBytes}" +
                (end > dataBytes ? "; was the file cut short?" : ""));
        }
    }
}
