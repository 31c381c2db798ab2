using MsResampler.Server.Limits;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Inputs;

/// <summary>An input tensor of a request while it is read. Values arrive in any pieces; features of 16 bits are widened
/// as they arrive. A tensor is either raw or typed.</summary>
internal sealed class InputTensor : IDisposable
{
    private readonly string _shapeText;
    private readonly TensorValues _values;
    private long _received;
    private long _rawLength;
    private bool _isRaw;

    /// <summary>Starts a tensor whose type and shape were checked.</summary>
    internal InputTensor(string name, Datatype datatype, string shapeText, int elementCount, MemoryLease memory)
    {
        (Name, Datatype, ElementCount, _shapeText) = (name, datatype, elementCount, shapeText);
        _values = datatype switch
        {
            Datatype.Int32 => new IntegerValues(elementCount, memory),
            Datatype.Bytes => new BytesValues(name, elementCount, memory),
            _ => new FloatValues(datatype, elementCount, memory),
        };
    }

    /// <summary>The name of the tensor.</summary>
    public string Name { get; }

    /// <summary>The element type.</summary>
    public Datatype Datatype { get; }

    /// <summary>The number of elements.</summary>
    public long ElementCount { get; }

    /// <summary>The size of its raw contents in bytes; null for <see cref="Datatype.Bytes"/>.</summary>
    public long? RawLength => Datatype == Datatype.Bytes ? null : ElementCount * Datatypes.SizeOf(Datatype);

    /// <summary>The values of a tensor of floats.</summary>
    internal FloatValues Floats => (FloatValues)_values;

    /// <summary>The values of a tensor of integers.</summary>
    internal int[] Integers => ((IntegerValues)_values).Values;

    /// <summary>The elements of a tensor of byte strings.</summary>
    internal IReadOnlyList<ReadOnlyMemory<byte>> Strings => ((BytesValues)_values).Values;

    /// <summary>Announces raw contents, before the first of them.</summary>
    /// <param name="length">Their number of bytes.</param>
    /// <exception cref="ServerException">The number does not match the shape.</exception>
    public void StartRaw(long length)
    {
        if (RawLength is { } expected && expected != length)
        {
            throw Invalid($"expected {expected} bytes ({_shapeText} {Datatypes.NameOf(Datatype)}), found {length}");
        }

        (_isRaw, _rawLength) = (true, length);
        if (_values is BytesValues strings)
            strings.RawLength = length;
    }

    /// <summary>Takes the next raw bytes, little-endian, after <see cref="StartRaw"/>; for <see cref="Datatype.Bytes"/>
    /// each element is its length in 4 bytes and then its bytes.</summary>
    /// <exception cref="ServerException">There are too many, or an element is too large.</exception>
    public void AppendRaw(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > _rawLength - _received)
            throw Invalid($"expected {_rawLength} bytes, found more");
        _received += bytes.Length;
        _values.AppendRaw(bytes);
    }

    /// <summary>Takes all raw bytes at once and, if their format allows, uses them in place. They must not change until
    /// the request is disposed.</summary>
    /// <exception cref="ServerException">Their number differs from the shape.</exception>
    public void UseRaw(ReadOnlyMemory<byte> bytes)
    {
        StartRaw(bytes.Length);
        _received = bytes.Length;
        _values.UseRaw(bytes);
    }

    /// <summary>Takes the next values of an FP32 tensor.</summary>
    /// <exception cref="ServerException">There are too many, or the tensor has another type.</exception>
    public void Append(ReadOnlySpan<float> values)
    {
        CheckType(Datatype.Fp32);
        CheckRoom(values.Length);
        Floats.Append(values);
    }

    /// <summary>Takes the next values of an INT32 tensor.</summary>
    /// <exception cref="ServerException">There are too many, or the tensor has another type.</exception>
    public void Append(ReadOnlySpan<int> values)
    {
        CheckType(Datatype.Int32);
        CheckRoom(values.Length);
        ((IntegerValues)_values).Append(values);
    }

    /// <summary>Takes the next element of a BYTES tensor, and keeps the memory, which the caller has
    /// reserved.</summary>
    /// <exception cref="ServerException">There are too many, or the tensor has another type.</exception>
    public void AppendElement(ReadOnlyMemory<byte> element)
    {
        CheckType(Datatype.Bytes);
        CheckRoom(1);
        ((BytesValues)_values).Append(element);
    }

    /// <summary>Checks that all values have arrived.</summary>
    /// <exception cref="ServerException">Some are missing.</exception>
    public void Complete()
    {
        if (_isRaw && _received < _rawLength)
            throw Invalid($"expected {_rawLength} bytes, found {_received}");
        if (_values is BytesValues { IsWithinElement: true } strings)
            throw Invalid($"the bytes end within element {strings.Values.Count}");
        long found = _values is BytesValues all ? all.Values.Count : _isRaw ? ElementCount : _received;
        if (found != ElementCount)
            throw Invalid($"expected {ElementCount} values ({_shapeText}), found {found}");
    }

    public void Dispose() => _values.Dispose();

    private void CheckType(Datatype expected)
    {
        if (Datatype == expected)
            return;
        throw Invalid(Datatype is Datatype.Fp16 or Datatype.Bf16
            ? $"values of {Datatypes.NameOf(Datatype)} are accepted only as binary data; send them so, or send FP32"
            : $"expected values of {Datatypes.NameOf(Datatype)}, found {Datatypes.NameOf(expected)}");
    }

    private void CheckRoom(int count)
    {
        if (count > ElementCount - _received)
            throw Invalid($"expected {ElementCount} values ({_shapeText}), found more");
        _received += count;
    }

    private ServerException Invalid(string message)
        => new(ErrorKind.InvalidRequest, $"input '{Name}': {message}");
}
