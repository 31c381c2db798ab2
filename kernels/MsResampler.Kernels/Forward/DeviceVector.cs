namespace MsResampler.Kernels.Forward;

/// <summary>The unit of a kernel's memory accesses, 16 bytes. The host counts elements; sizes, strides and indices of a
/// kernel's arguments count vectors, and are converted here.</summary>
internal static class DeviceVector
{
    /// <summary>Bytes of a vector.</summary>
    public const int Bytes = 16;

    /// <summary>Vectors in a number of elements, which must fill them.</summary>
    /// <param name="elements">Elements.</param>
    /// <param name="elementBytes">The size of an element in bytes.</param>
    public static int Count(int elements, int elementBytes) => elements / (Bytes / elementBytes);

    /// <summary>The index of the vector at a byte offset, which must be a multiple of its size.</summary>
    public static int IndexAt(long byteOffset) => checked((int)(byteOffset / Bytes));
}
