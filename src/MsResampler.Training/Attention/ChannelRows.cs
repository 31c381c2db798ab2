using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;

namespace MsResampler.Training.Attention;

/// <summary>Copies rows of channels of a head between the caller's memory, where d floats may be accessed, and scratch
/// memory, whose rows are whole vectors. The floats after d in scratch memory have any value: only those after d of a
/// result depend on them.</summary>
internal static unsafe class ChannelRows<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Copies a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Copy(float* source, float* target, int headSize)
    {
        int channel = 0;
        for (; channel + TSimd.Width <= headSize; channel += TSimd.Width)
            TSimd.Store(target + channel, TSimd.Load(source + channel));
        for (; channel < headSize; channel++)
            target[channel] = source[channel];
    }

    /// <summary>Copies a row times a factor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Copy(float* source, float* target, int headSize, float factor)
    {
        TVector factors = TSimd.Create(factor);
        int channel = 0;
        for (; channel + TSimd.Width <= headSize; channel += TSimd.Width)
            TSimd.Store(target + channel, TSimd.Multiply(TSimd.Load(source + channel), factors));
        for (; channel < headSize; channel++)
            target[channel] = source[channel] * factor;
    }

    /// <summary>Adds a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(float* source, float* target, int headSize)
    {
        int channel = 0;
        for (; channel + TSimd.Width <= headSize; channel += TSimd.Width)
            TSimd.Store(target + channel, TSimd.Add(TSimd.Load(target + channel), TSimd.Load(source + channel)));
        for (; channel < headSize; channel++)
            target[channel] += source[channel];
    }

    /// <summary>The product of two rows, of which d floats are read.</summary>
    public static float Dot(float* a, float* b, int headSize)
    {
        TVector sum = TSimd.Zero;
        int channel = 0;
        for (; channel + TSimd.Width <= headSize; channel += TSimd.Width)
            sum = TSimd.MultiplyAdd(TSimd.Load(a + channel), TSimd.Load(b + channel), sum);
        float rest = 0;
        for (; channel < headSize; channel++)
            rest += a[channel] * b[channel];
        return TSimd.Sum(sum) + rest;
    }
}
