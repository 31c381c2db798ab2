namespace MsResampler.Kernels;

/// <summary>Elements in device memory, row-major and without gaps. It owns nothing.</summary>
/// <param name="Address">The first element's address on the device (a CUdeviceptr), a multiple of the element's
/// size.</param>
/// <param name="Count">Elements.</param>
/// <param name="Type">Their type.</param>
public readonly record struct DeviceTensor(nint Address, long Count, DeviceElementType Type)
{
    /// <summary>The elements from <paramref name="first"/> on.</summary>
    internal DeviceTensor From(long first)
        => this with { Address = (nint)(Address + BytesOf(first)), Count = Count - first };

    /// <summary>Bytes of so many elements.</summary>
    internal long BytesOf(long count) => count * (Type == DeviceElementType.Float32 ? 4 : 2);

    /// <summary>Whether it has memory in common with another.</summary>
    internal bool Overlaps(DeviceTensor other)
        => (ulong)Address < (ulong)other.Address + (ulong)other.BytesOf(other.Count)
            && (ulong)other.Address < (ulong)Address + (ulong)BytesOf(Count);

    /// <summary>Checks type and address; the count must be right.</summary>
    /// <param name="name">The tensor's name in messages.</param>
    /// <param name="own">The type of the model's activations.</param>
    /// <exception cref="ArgumentException">One is wrong.</exception>
    internal void Check(string name, DeviceElementType own)
    {
        if (Type != DeviceElementType.Float32 && Type != own)
        {
            string expected = own == DeviceElementType.Float32 ? "Float32" : $"Float32 or {own}";
            throw new ArgumentException($"{name}: expected elements of type {expected}, as the model computes in {own}, " +
                $"found {Type}", name);
        }

        if (Count > 0 && Address == 0)
            throw new ArgumentException($"{name}: expected the address of {Count} elements, found 0", name);
        if (Address % BytesOf(1) != 0)
        {
            throw new ArgumentException($"{name}: expected an address that is a multiple of {BytesOf(1)}, the size of an " +
                $"element of type {Type}, found 0x{Address:x}", name);
        }
    }
}
