using System.Buffers;
using System.Buffers.Binary;
using MsResampler.Server.Limits;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Inputs;

/// <summary>The elements of a tensor of byte strings. Raw, each is its length in 4 bytes and then its bytes.</summary>
/// <param name="name">The name of the tensor.</param>
/// <param name="count">The number of elements.</param>
/// <param name="memory">Where their memory is reserved.</param>
internal sealed class BytesValues(string name, int count, MemoryLease memory) : TensorValues
{
    private const int PrefixLength = sizeof(uint);

    private readonly List<ReadOnlyMemory<byte>> _elements = [];
    private readonly List<byte[]> _rented = [];
    private readonly byte[] _prefix = new byte[PrefixLength];
    private int _prefixFilled;
    private byte[]? _element;
    private int _elementLength;
    private int _elementFilled;
    private long _bytesReceived;

    /// <summary>The elements that have arrived.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Values => _elements;

    /// <summary>Whether the raw bytes ended within an element.</summary>
    public bool IsWithinElement => _prefixFilled > 0;

    /// <summary>The size of all raw contents, which no element exceeds.</summary>
    public long RawLength { get; set; }

    /// <summary>Takes the next element.</summary>
    public void Append(ReadOnlyMemory<byte> element)
    {
        CheckRoom();
        _elements.Add(element);
    }

    public override void AppendRaw(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[(_prefixFilled < PrefixLength ? FillPrefix(bytes) : FillElement(bytes))..];
            if (_prefixFilled == PrefixLength && _elementFilled == _elementLength)
                CompleteElement();
        }
    }

    public override void UseRaw(ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            int prefixBytes = FillPrefix(bytes.Span);
            bytes = bytes[prefixBytes..];
            if (_prefixFilled < PrefixLength)
                return;
            _elements.Add(bytes[.._elementLength]);
            bytes = bytes[_elementLength..];
            _bytesReceived += _elementLength;
            _prefixFilled = 0;
        }
    }

    public override void Dispose()
    {
        foreach (byte[] array in _rented)
            ArrayPool<byte>.Shared.Return(array);
        _rented.Clear();
        _elements.Clear();
    }

    private int FillPrefix(ReadOnlySpan<byte> bytes)
    {
        CheckRoom();
        int taken = Math.Min(bytes.Length, PrefixLength - _prefixFilled);
        bytes[..taken].CopyTo(_prefix.AsSpan(_prefixFilled));
        _prefixFilled += taken;
        _bytesReceived += taken;
        if (_prefixFilled < PrefixLength)
            return taken;
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(_prefix);
        if (length > RawLength - _bytesReceived || length > Array.MaxLength)
        {
            long room = RawLength - _bytesReceived;
            throw new ServerException(ErrorKind.InvalidRequest, $"input '{name}', element {_elements.Count}: "
                + $"expected at most {room} bytes, which follow its length, found a length of {length}");
        }

        (_elementLength, _elementFilled) = ((int)length, 0);
        return taken;
    }

    private int FillElement(ReadOnlySpan<byte> bytes)
    {
        if (_element is null)
        {
            memory.Grow(PooledArrays.BytesOf(_elementLength, sizeof(byte)));
            _element = ArrayPool<byte>.Shared.Rent(_elementLength);
            _rented.Add(_element);
        }

        int taken = Math.Min(bytes.Length, _elementLength - _elementFilled);
        bytes[..taken].CopyTo(_element.AsSpan(_elementFilled));
        _elementFilled += taken;
        _bytesReceived += taken;
        return taken;
    }

    private void CompleteElement()
    {
        _elements.Add(_element.AsMemory(0, _elementLength));
        (_prefixFilled, _element) = (0, null);
    }

    private void CheckRoom()
    {
        if (_elements.Count == count)
        {
            throw new ServerException(ErrorKind.InvalidRequest,
                $"input '{name}': expected {count} elements, as its shape says, found more");
        }
    }
}
