using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Norm;

/// <summary>The type of rows that are to be converted.</summary>
/// <typeparam name="T">As what it is stored.</typeparam>
internal interface IRowSource<T>
    where T : unmanaged
{
    /// <summary>An element in float32, exactly.</summary>
    static abstract float ToSingle(T element);
}

/// <summary>float32.</summary>
internal readonly struct Float32Rows : IRowSource<float>
{
    public static float ToSingle(float element) => element;
}

/// <summary>A type of 16 bits.</summary>
internal readonly struct Bits16Rows<TElement> : IRowSource<ushort>
    where TElement : struct, IBits16Element
{
    public static float ToSingle(ushort element) => TElement.Low(element);
}
