namespace MsResampler.Kernels;

/// <summary>A tensor in device memory, row-major and contiguous. It does not own the memory.</summary>
/// <param name="Address">The address of the first element on the device (in CUDA a CUdeviceptr), a multiple of the
/// element's size.</param>
/// <param name="Count">The number of elements.</param>
/// <param name="Type">The element type.</param>
public readonly record struct DeviceTensor(nint Address, long Count, DeviceElementType Type)
{
    /// <summary>The elements from <paramref name="first"/> on.</summary>
    internal DeviceTensor From(long first)
        => this with { Address = (nint)(Address + BytesOf(first)), Count = Count - first };

    /// <summary>The size of a number of elements in bytes.</summary>
    internal long BytesOf(long count) => count * (Type == DeviceElementType.Float32 ? 4 : 2);

    /// <summary>Whether it shares memory with another tensor.</summary>
    internal bool Overlaps(DeviceTensor other)
        => (ulong)Address < (ulong)other.Address + (ulong)other.BytesOf(other.Count)
            && (ulong)other.Address < (ulong)Address + (ulong)BytesOf(Count);

    /// <summary>Checks the type and the address. The caller checks the count.</summary>
    /// <param name="name">The tensor's name in messages.</param>
    /// <param name="own">The type of the model's activations.</param>
    /// <exception cref="ArgumentException">The type or the address is invalid.</exception>
    internal void Check(string name, DeviceElementType own)
    {
        if (Type != DeviceElementType.Float32 && Type != own)
        {
            string expected = own == DeviceElementType.Float32 ? "Float32" : $"Float32 or {own}";
            throw new ArgumentException($"{name}: expected elements of type {expected}, because the model computes " +
                $"in {own}, found {Type}", name);
        }

        if (Count > 0 && Address == 0)
            throw new ArgumentException($"{name}: expected the address of {Count} elements, found 0", name);
        if (Address % BytesOf(1) != 0)
        {
            throw new ArgumentException($"{name}: expected an address that is a multiple of {BytesOf(1)}, the size " +
                $"of an element of type {Type}, found 0x{Address:x}", name);
        }
    }
}
