using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Norm;

/// <summary>The element type of rows to convert.</summary>
/// <typeparam name="T">The storage type.</typeparam>
internal interface IRowSource<T>
    where T : unmanaged
{
    /// <summary>Converts an element to float32, exactly.</summary>
    static abstract float ToSingle(T element);
}

/// <summary>float32.</summary>
internal readonly struct Float32Rows : IRowSource<float>
{
    public static float ToSingle(float element) => element;
}

/// <summary>A 16-bit type.</summary>
internal readonly struct Bits16Rows<TElement> : IRowSource<ushort>
    where TElement : struct, IBits16Element
{
    public static float ToSingle(ushort element) => TElement.Low(element);
}
