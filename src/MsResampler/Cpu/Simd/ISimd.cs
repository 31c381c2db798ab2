namespace MsResampler.Cpu.Simd;

/// <summary>The vector operations that the kernels are written in. A kernel is generic over one implementation and
/// its vector type, so the compiler makes a specialised copy for each instruction set from one source.</summary>
/// <typeparam name="TVector">The vector of floats.</typeparam>
internal unsafe interface ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Floats in a vector.</summary>
    static abstract int Width { get; }

    /// <summary>Vectors across the widest register tile: with six rows, 4 where there are 32 vector registers, 2 where
    /// there are 16.</summary>
    static abstract int PanelVectors { get; }

    static abstract TVector Zero { get; }

    static abstract TVector Load(float* source);

    static abstract void Store(float* destination, TVector value);

    /// <summary>The float at <paramref name="source"/> in every lane.</summary>
    static abstract TVector Broadcast(float* source);

    static abstract TVector Create(float value);

    /// <summary>Asks for the cache line at <paramref name="address"/> in the second-level cache, where the machine can.
    /// </summary>
    static abstract void Prefetch(float* address);

    static abstract TVector Add(TVector a, TVector b);

    static abstract TVector Subtract(TVector a, TVector b);

    static abstract TVector Multiply(TVector a, TVector b);

    static abstract TVector Divide(TVector a, TVector b);

    /// <summary>The larger one; <paramref name="b"/> where that is NaN. Where <paramref name="a"/> is NaN, either.</summary>
    static abstract TVector Max(TVector a, TVector b);

    /// <summary>a·b + c, rounded once where the hardware can.</summary>
    static abstract TVector MultiplyAdd(TVector a, TVector b, TVector c);

    static abstract TVector Abs(TVector a);

    /// <summary>The nearest integer, ties to even.</summary>
    static abstract TVector Round(TVector a);

    /// <summary>2ⁿ for integral n from −127 (which gives 0) to 127.</summary>
    static abstract TVector PowerOfTwo(TVector n);

    /// <summary><paramref name="negative"/> in lanes where <paramref name="sign"/> is below zero, else
    /// <paramref name="other"/>.</summary>
    static abstract TVector SelectNegative(TVector sign, TVector negative, TVector other);

    /// <summary>The sum of the lanes, in a fixed order.</summary>
    static abstract float Sum(TVector a);

    /// <summary>Whether every lane is equal in both.</summary>
    static abstract bool EqualsAll(TVector a, TVector b);
}
