using MsResampler.Server.Protocol;

namespace MsResampler.Server.Inputs;

/// <summary>An input tensor of a request while it is read. Values arrive in any pieces; features of 16 bits are widened
/// as they arrive.</summary>
internal sealed class InputTensor
{
    /// <summary>The name of the tensor.</summary>
    public string Name => throw new NotImplementedException();

    /// <summary>The element type.</summary>
    public Datatype Datatype => throw new NotImplementedException();

    /// <summary>The number of elements.</summary>
    public long ElementCount => throw new NotImplementedException();

    /// <summary>The size of its raw contents in bytes; null for <see cref="Datatype.Bytes"/>.</summary>
    public long? RawLength => throw new NotImplementedException();

    /// <summary>Takes the next raw bytes, little-endian; for <see cref="Datatype.Bytes"/> each element is its length in
    /// 4 bytes and then its bytes.</summary>
    /// <exception cref="ServerException">There are too many, or an element is too large.</exception>
    public void AppendRaw(ReadOnlySpan<byte> bytes) => throw new NotImplementedException();

    /// <summary>Takes all raw bytes at once and, if their format allows, uses them in place. They must not change until
    /// the request is disposed.</summary>
    /// <exception cref="ServerException">Their number differs from the shape.</exception>
    public void UseRaw(ReadOnlyMemory<byte> bytes) => throw new NotImplementedException();

    /// <summary>Takes the next values of an FP32 tensor.</summary>
    /// <exception cref="ServerException">There are too many, or the tensor has another type.</exception>
    public void Append(ReadOnlySpan<float> values) => throw new NotImplementedException();

    /// <summary>Takes the next values of an INT32 tensor.</summary>
    /// <exception cref="ServerException">There are too many, or the tensor has another type.</exception>
    public void Append(ReadOnlySpan<int> values) => throw new NotImplementedException();

    /// <summary>Takes the next element of a BYTES tensor, and keeps the memory.</summary>
    /// <exception cref="ServerException">There are too many, or the tensor has another type.</exception>
    public void AppendElement(ReadOnlyMemory<byte> element) => throw new NotImplementedException();

    /// <summary>Checks that all values have arrived.</summary>
    /// <exception cref="ServerException">Some are missing.</exception>
    public void Complete() => throw new NotImplementedException();
}
