using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace MsResampler.Cpu.Integer;

/// <summary>Arranges the integers of values for products over keys: a step holds the integers of a channel for
/// consecutive keys.</summary>
internal static unsafe class KeySteps
{
    private static bool HasZip => Sse2.IsSupported || AdvSimd.Arm64.IsSupported;

    /// <summary>Interleaves the bytes of four keys.</summary>
    /// <param name="first">The first key, [<paramref name="channelCount"/>].</param>
    /// <param name="second">The second key.</param>
    /// <param name="third">The third key.</param>
    /// <param name="fourth">The fourth key.</param>
    /// <param name="channelCount">Channels: a multiple of 16.</param>
    /// <param name="steps">Receives one step per channel.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Interleave(byte* first, byte* second, byte* third, byte* fourth, int channelCount, int* steps)
    {
        int channel = 0;
        for (; HasZip && channel < channelCount; channel += Vector128<byte>.Count, steps += Vector128<byte>.Count)
        {
            Vector128<byte> a = Vector128.Load(first + channel), b = Vector128.Load(second + channel);
            Vector128<byte> c = Vector128.Load(third + channel), d = Vector128.Load(fourth + channel);
            Vector128<short> abLow = Low(a, b).AsInt16(), abHigh = High(a, b).AsInt16();
            Vector128<short> cdLow = Low(c, d).AsInt16(), cdHigh = High(c, d).AsInt16();
            Low(abLow, cdLow).AsInt32().Store(steps);
            High(abLow, cdLow).AsInt32().Store(steps + 4);
            Low(abHigh, cdHigh).AsInt32().Store(steps + 8);
            High(abHigh, cdHigh).AsInt32().Store(steps + 12);
        }

        for (; channel < channelCount; channel++, steps++)
            *steps = first[channel] | (second[channel] << 8) | (third[channel] << 16) | (fourth[channel] << 24);
    }

    /// <summary>Interleaves the 16-bit integers of two keys.</summary>
    /// <param name="first">The first key, [<paramref name="channelCount"/>].</param>
    /// <param name="second">The second key.</param>
    /// <param name="channelCount">Channels: a multiple of 16.</param>
    /// <param name="steps">Receives one step per channel.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Interleave(short* first, short* second, int channelCount, int* steps)
    {
        int channel = 0;
        for (; HasZip && channel < channelCount; channel += Vector128<short>.Count, steps += Vector128<short>.Count)
        {
            Vector128<short> a = Vector128.Load(first + channel), b = Vector128.Load(second + channel);
            Low(a, b).AsInt32().Store(steps);
            High(a, b).AsInt32().Store(steps + 4);
        }

        for (; channel < channelCount; channel++, steps++)
            *steps = (ushort)first[channel] | (second[channel] << 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Low(Vector128<byte> a, Vector128<byte> b)
        => Sse2.IsSupported ? Sse2.UnpackLow(a, b) : AdvSimd.Arm64.ZipLow(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> High(Vector128<byte> a, Vector128<byte> b)
        => Sse2.IsSupported ? Sse2.UnpackHigh(a, b) : AdvSimd.Arm64.ZipHigh(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> Low(Vector128<short> a, Vector128<short> b)
        => Sse2.IsSupported ? Sse2.UnpackLow(a, b) : AdvSimd.Arm64.ZipLow(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> High(Vector128<short> a, Vector128<short> b)
        => Sse2.IsSupported ? Sse2.UnpackHigh(a, b) : AdvSimd.Arm64.ZipHigh(a, b);
}
