using ILGPU;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Tiles;

/// <summary>The storage of a quad: four neighbouring elements of a row.</summary>
/// <typeparam name="T">The storage type.</typeparam>
internal interface IQuad<T>
    where T : unmanaged
{
    /// <summary>The four elements as floats.</summary>
    static abstract Float4 Unpack(T quad);

    /// <summary>Loads only the first element of a quad, as a float.</summary>
    static abstract float First(ArrayView<T> quads, int index);
}

/// <summary>A quad in float32.</summary>
internal readonly struct Float32Quad : IQuad<Float4>
{
    public static Float4 Unpack(Float4 quad) => quad;

    public static float First(ArrayView<Float4> quads, int index) => quads[index].X;
}
