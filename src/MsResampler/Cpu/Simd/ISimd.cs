namespace MsResampler.Cpu.Simd;

/// <summary>Vector operations of one instruction set. The kernels are generic over an implementation and its
/// vector type, so the compiler generates specialised code for each instruction set from one source.</summary>
/// <typeparam name="TVector">A vector of floats, which must be a value type.</typeparam>
internal unsafe interface ISimd<TVector>
{
    /// <summary>The number of floats in a vector.</summary>
    static abstract int Width { get; }

    /// <summary>The width in vectors of the widest register tile, which has six rows: 4 with 32 vector
    /// registers, 2 with 16.</summary>
    static abstract int PanelVectors { get; }

    static abstract TVector Zero { get; }

    static abstract TVector Load(float* source);

    static abstract void Store(float* destination, TVector value);

    /// <summary>A vector with the float at <paramref name="source"/> in every lane.</summary>
    static abstract TVector Broadcast(float* source);

    static abstract TVector Create(float value);

    /// <summary>Prefetches the cache line at <paramref name="address"/> into the second-level cache, if the
    /// processor has such an instruction. Any address is allowed.</summary>
    static abstract void Prefetch(float* address);

    static abstract TVector Add(TVector a, TVector b);

    static abstract TVector Subtract(TVector a, TVector b);

    static abstract TVector Multiply(TVector a, TVector b);

    static abstract TVector Divide(TVector a, TVector b);

    /// <summary>The larger value of each lane. If <paramref name="b"/> is NaN, the result is NaN; if only
    /// <paramref name="a"/> is NaN, the result is one of the two.</summary>
    static abstract TVector Max(TVector a, TVector b);

    /// <summary>The smaller value of each lane, none of which may be NaN.</summary>
    static abstract TVector Min(TVector a, TVector b);

    /// <summary>a·b + c, with one rounding if the hardware has a fused multiply-add.</summary>
    static abstract TVector MultiplyAdd(TVector a, TVector b, TVector c);

    static abstract TVector Abs(TVector a);

    /// <summary>The nearest integer, ties to even.</summary>
    static abstract TVector Round(TVector a);

    /// <summary>2ⁿ for whole numbers n from −126 to 127, and 0 for −127.</summary>
    static abstract TVector PowerOfTwo(TVector n);

    /// <summary><paramref name="negative"/> in lanes where <paramref name="sign"/> is below zero, otherwise
    /// <paramref name="other"/>.</summary>
    static abstract TVector SelectNegative(TVector sign, TVector negative, TVector other);

    /// <summary>The sum of the lanes, in a fixed order.</summary>
    static abstract float Sum(TVector a);

    /// <summary><c>a[i] − factor·b[i]</c> in 32-bit integers, rounded to floats.</summary>
    static abstract TVector ConvertDifference(int* a, int factor, int* b);

    /// <summary>Converts 32-bit integers to floats.</summary>
    static abstract TVector Convert(int* source);

    /// <summary>Stores <c>low + 65536·high</c> as 32-bit integers, for whole numbers low from 0 to 65,535 and high from
    /// −32,768 to 32,767.</summary>
    static abstract void StorePairs(int* destination, TVector low, TVector high);

    /// <summary>Stores whole numbers from 0 to 255 as bytes.</summary>
    static abstract void StoreBytes(byte* destination, TVector value);

    /// <summary>Stores whole numbers from −32,767 to 32,767 as 16-bit integers.</summary>
    static abstract void StoreShorts(short* destination, TVector value);

    /// <summary>Whether all lanes of the two vectors are equal.</summary>
    static abstract bool EqualsAll(TVector a, TVector b);
}
