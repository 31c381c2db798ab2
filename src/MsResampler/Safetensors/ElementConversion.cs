using System.Diagnostics;
using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace MsResampler.Safetensors;

/// <summary>Converts stored elements to float and double and back. Widening keeps every bit of a NaN.</summary>
internal static class ElementConversion
{
    private const int BlockElementCount = 1024;

    public static bool IsSupported(TensorType type) =>
        type is TensorType.F32 or TensorType.F16 or TensorType.BF16 or TensorType.F64;

    /// <summary>Whether <see cref="ToSingle"/> would turn any element into NaN or infinity.</summary>
    public static bool HasUnusable(TensorType type, ReadOnlySpan<byte> source) => type switch
    {
        TensorType.F32 => HasMagnitude<uint>(MemoryMarshal.Cast<byte, uint>(source), 0x7f80_0000),
        TensorType.F16 => HasMagnitude<ushort>(MemoryMarshal.Cast<byte, ushort>(source), 0x7c00),
        TensorType.BF16 => HasMagnitude<ushort>(MemoryMarshal.Cast<byte, ushort>(source), 0x7f80),
        // Halfway between the largest float, (2 − 2^-23)·2^127, and 2^128. The tie rounds to even, which is 2^128:
        // infinity.
        TensorType.F64 => HasMagnitude<ulong>(MemoryMarshal.Cast<byte, ulong>(source), 0x47ef_ffff_f000_0000),
        _ => throw new UnreachableException(),
    };

    public static void ToSingle(TensorType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        switch (type)
        {
            case TensorType.F32:
                source.CopyTo(MemoryMarshal.AsBytes(destination));
                break;
            case TensorType.F16:
                Widening.OfFloat16(MemoryMarshal.Cast<byte, ushort>(source), destination);
                break;
            case TensorType.BF16:
                Widening.OfBFloat16(MemoryMarshal.Cast<byte, ushort>(source), destination);
                break;
            case TensorType.F64:
                TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<byte, double>(source), destination);
                break;
            default:
                throw new UnreachableException();
        }
    }

    public static void ToDouble(TensorType type, ReadOnlySpan<byte> source, Span<double> destination)
    {
        if (type == TensorType.F64)
        {
            source.CopyTo(MemoryMarshal.AsBytes(destination));
            return;
        }

        Span<float> block = stackalloc float[BlockElementCount];
        int elementBytes = TensorTypes.BitsOf(type) / 8;
        while (!destination.IsEmpty)
        {
            int count = Math.Min(block.Length, destination.Length);
            ToSingle(type, source[..(count * elementBytes)], block[..count]);
            for (int index = 0; index < count; index++)
                destination[index] = ToDouble(BitConverter.SingleToUInt32Bits(block[index]));
            source = source[(count * elementBytes)..];
            destination = destination[count..];
        }
    }

    /// <summary>Rounds to nearest even; a NaN stays a NaN.</summary>
    public static void FromSingle(TensorType type, ReadOnlySpan<float> source, Span<byte> destination)
    {
        switch (type)
        {
            case TensorType.F16:
                TensorPrimitives.ConvertToHalf(source, MemoryMarshal.Cast<byte, Half>(destination));
                break;
            case TensorType.BF16:
                NarrowToBrain(MemoryMarshal.Cast<float, uint>(source), MemoryMarshal.Cast<byte, ushort>(destination));
                break;
            case TensorType.F64:
                TensorPrimitives.ConvertTruncating(source, MemoryMarshal.Cast<byte, double>(destination));
                break;
            default:
                throw new UnreachableException();
        }
    }

    /// <summary>Whether the magnitude bits of any element are at least <paramref name="limit"/>. Floats of one sign
    /// have the same order as their bits; infinity and NaN are the largest.</summary>
    private static bool HasMagnitude<T>(ReadOnlySpan<T> source, T limit)
        where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
    {
        T magnitude = T.MaxValue >> 1;
        Vector<T> magnitudes = new(magnitude);
        Vector<T> largest = Vector<T>.Zero;
        int index = 0;
        for (; index <= source.Length - Vector<T>.Count; index += Vector<T>.Count)
            largest = Vector.Max(largest, new Vector<T>(source[index..]) & magnitudes);
        if (Vector.GreaterThanOrEqualAny(largest, new Vector<T>(limit)))
            return true;
        for (; index < source.Length; index++)
            if ((source[index] & magnitude) >= limit)
                return true;
        return false;
    }

    private static double ToDouble(uint bits) => (bits & 0x7fff_ffff) <= 0x7f80_0000
        ? BitConverter.UInt32BitsToSingle(bits)
        : BitConverter.UInt64BitsToDouble(((ulong)(bits & 0x8000_0000) << 32)
            | 0x7ff0_0000_0000_0000
            | ((ulong)(bits & 0x007f_ffff) << 29));

    private static void NarrowToBrain(ReadOnlySpan<uint> source, Span<ushort> destination)
    {
        int width = Vector<uint>.Count;
        int index = 0;
        for (; index <= source.Length - (2 * width); index += 2 * width)
        {
            Vector<uint> lower = ToBrain(new Vector<uint>(source[index..]));
            Vector<uint> upper = ToBrain(new Vector<uint>(source[(index + width)..]));
            Vector.Narrow(lower, upper).CopyTo(destination[index..]);
        }

        for (; index < source.Length; index++)
            destination[index] = ToBrain(source[index]);
    }

    private static Vector<uint> ToBrain(Vector<uint> bits)
    {
        Vector<uint> upper = bits >> 16;
        Vector<uint> rounded = (bits + new Vector<uint>(0x7fff) + (upper & Vector<uint>.One)) >> 16;
        return Vector.ConditionalSelect(Vector.LessThanOrEqual(bits & new Vector<uint>(0x7fff_ffff),
            new Vector<uint>(0x7f80_0000)), rounded, upper | new Vector<uint>(0x0040));
    }

    private static ushort ToBrain(uint bits) => (bits & 0x7fff_ffff) <= 0x7f80_0000
        ? (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)
        // The quiet bit: a NaN with its payload in the lower half would become infinity.
        : (ushort)((bits >> 16) | 0x0040);
}
