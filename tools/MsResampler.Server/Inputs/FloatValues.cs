using System.Buffers;
using System.Runtime.InteropServices;
using MsResampler.Server.Limits;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Inputs;

/// <summary>The values of a tensor of floats, as float32. They are checked for NaN and infinity as they arrive, while
/// they are in the cache.</summary>
/// <param name="datatype">The type in which they arrive.</param>
/// <param name="count">The number of values.</param>
/// <param name="memory">Where their memory is reserved.</param>
internal sealed class FloatValues(Datatype datatype, int count, MemoryLease memory) : TensorValues
{
    private const int PieceLength = 1 << 12;

    private float[]? _array;
    private int _bytesReceived;
    private int _checkedCount;
    private byte _half;

    /// <summary>The values, once all have arrived.</summary>
    public ReadOnlyMemory<float> Values { get; private set; }

    /// <summary>Whether no value is NaN or infinite.</summary>
    public bool AreFinite { get; private set; } = true;

    /// <summary>Takes the next values.</summary>
    public void Append(ReadOnlySpan<float> values)
    {
        Reserve();
        values.CopyTo(_array.AsSpan(_checkedCount, values.Length));
        Check(_checkedCount + values.Length);
    }

    public override void AppendRaw(ReadOnlySpan<byte> bytes)
    {
        Reserve();
        if (datatype == Datatype.Fp32)
            AppendFloat32(bytes);
        else
            AppendHalves(bytes);
    }

    public override void UseRaw(ReadOnlyMemory<byte> bytes)
    {
        if (datatype != Datatype.Fp32 || !RawFloats.CanView(bytes))
        {
            AppendRaw(bytes.Span);
            return;
        }

        Values = new RawFloats(bytes).Memory;
        AreFinite = SpanMath.AreFinite(Values.Span);
    }

    public override void Dispose()
    {
        Values = default;
        if (Interlocked.Exchange(ref _array, null) is { } array)
            ArrayPool<float>.Shared.Return(array);
    }

    private void Reserve()
    {
        if (_array is not null)
            return;
        memory.Grow(PooledArrays.BytesOf(count, sizeof(float)));
        _array = ArrayPool<float>.Shared.Rent(count);
        Values = _array.AsMemory(0, count);
    }

    private void AppendFloat32(ReadOnlySpan<byte> bytes)
    {
        Span<byte> destination = MemoryMarshal.AsBytes(_array.AsSpan(0, count));
        while (bytes.Length > 0)
        {
            ReadOnlySpan<byte> piece = bytes[..Math.Min(bytes.Length, PieceLength * sizeof(float))];
            piece.CopyTo(destination[_bytesReceived..]);
            _bytesReceived += piece.Length;
            Check(_bytesReceived / sizeof(float));
            bytes = bytes[piece.Length..];
        }
    }

    private void AppendHalves(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > 0 && _bytesReceived % sizeof(ushort) == 1)
        {
            Widen([(ushort)(_half | (bytes[0] << 8))]);
            _bytesReceived++;
            bytes = bytes[1..];
        }

        ReadOnlySpan<ushort> whole = MemoryMarshal.Cast<byte, ushort>(bytes);
        _bytesReceived += bytes.Length;
        if (bytes.Length % sizeof(ushort) == 1)
            _half = bytes[^1];
        while (whole.Length > 0)
        {
            ReadOnlySpan<ushort> piece = whole[..Math.Min(whole.Length, PieceLength)];
            Widen(piece);
            whole = whole[piece.Length..];
        }
    }

    private void Widen(ReadOnlySpan<ushort> bits)
    {
        Span<float> destination = _array.AsSpan(_checkedCount, bits.Length);
        if (datatype == Datatype.Fp16)
            Widening.OfFloat16(bits, destination);
        else
            Widening.OfBFloat16(bits, destination);
        Check(_checkedCount + bits.Length);
    }

    private void Check(int completeCount)
    {
        AreFinite &= SpanMath.AreFinite(_array.AsSpan(_checkedCount..completeCount));
        _checkedCount = completeCount;
    }
}
