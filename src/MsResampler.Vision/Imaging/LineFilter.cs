using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MsResampler.Vision;

/// <summary>Applies an <see cref="AxisFilter"/> to lines of pixels with four bytes each: along the lines, or across
/// them. Sums are exact in 32 bits; a result is rounded and clipped to 8 bits.</summary>
internal sealed unsafe class LineFilter
{
    /// <summary>The number of lines that <see cref="Along"/> filters together, so that weights are loaded
    /// once.</summary>
    public const int BlockLines = 4;

    /// <summary>The number of bytes of which a line across is a multiple.</summary>
    public const int LineAlignment = 32;

    private const int BytesPerPixel = 4;
    private const int Half = 1 << (AxisFilter.FractionBits - 1);

    private readonly AxisFilter _axis;
    private readonly bool _isWide;

    // Each weight four times, once for each byte of a pixel.
    private readonly int[] _repeated = [];
    private readonly int[] _offsets = [];

    /// <param name="axis">The weights.</param>
    /// <param name="isAlong">Whether <see cref="Along"/> is called.</param>
    /// <param name="isWide">Whether to use vectors of 256 bits.</param>
    public LineFilter(AxisFilter axis, bool isAlong, bool isWide)
    {
        _axis = axis;
        _isWide = isWide && Avx2.IsSupported;
        if (!isAlong || axis.IsIdentity)
            return;
        _offsets = new int[axis.Length];
        int total = 0;
        for (int index = 0; index < axis.Length; index++)
        {
            _offsets[index] = total;
            total = checked(total + (BytesPerPixel * axis.WeightsOf(index).Length));
        }

        _repeated = new int[total];
        for (int index = 0; index < axis.Length; index++)
        {
            ReadOnlySpan<int> weights = axis.WeightsOf(index);
            for (int tap = 0; tap < weights.Length; tap++)
                _repeated.AsSpan(_offsets[index] + (BytesPerPixel * tap), BytesPerPixel).Fill(weights[tap]);
        }
    }

    /// <summary>Filters lines along their direction.</summary>
    /// <param name="lines">The first byte of each line; at most <see cref="BlockLines"/>.</param>
    /// <param name="results">Where each result starts.</param>
    public void Along(ReadOnlySpan<nint> lines, ReadOnlySpan<nint> results)
    {
        if (_axis.IsIdentity)
        {
            for (int line = 0; line < lines.Length; line++)
            {
                long bytes = (long)BytesPerPixel * _axis.Length;
                Buffer.MemoryCopy((void*)lines[line], (void*)results[line], bytes, bytes);
            }

            return;
        }

        fixed (int* repeated = _repeated)
        {
            if (_isWide && lines.Length == BlockLines)
            {
                AlongFour(lines, results, repeated);
                return;
            }

            for (int line = 0; line < lines.Length; line++)
                AlongOne((byte*)lines[line], (byte*)results[line], repeated);
        }
    }

    /// <summary>Makes one line of the result from lines that follow one another.</summary>
    /// <param name="index">The index of the result.</param>
    /// <param name="lines">The first byte of each line that has a weight.</param>
    /// <param name="result">Where the result starts.</param>
    /// <param name="bytes">The length of a line, a multiple of <see cref="LineAlignment"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Across(int index, ReadOnlySpan<nint> lines, byte* result, int bytes)
    {
        ReadOnlySpan<int> weights = _axis.WeightsOf(index);
        if (weights is [1 << AxisFilter.FractionBits])
        {
            Buffer.MemoryCopy((void*)lines[0], result, bytes, bytes);
            return;
        }

        for (int offset = 0; offset < bytes; offset += LineAlignment)
        {
            Vector256<int> half = Vector256.Create(Half);
            (Vector256<int> first, Vector256<int> second, Vector256<int> third, Vector256<int> fourth) =
                (half, half, half, half);
            for (int tap = 0; tap < weights.Length; tap++)
            {
                Vector256<int> weight = Vector256.Create(weights[tap]);
                (Vector256<ushort> lower, Vector256<ushort> upper) =
                    Vector256.Widen(Vector256.Load((byte*)lines[tap] + offset));
                (Vector256<uint> a, Vector256<uint> b) = Vector256.Widen(lower);
                (Vector256<uint> c, Vector256<uint> d) = Vector256.Widen(upper);
                first += a.AsInt32() * weight;
                second += b.AsInt32() * weight;
                third += c.AsInt32() * weight;
                fourth += d.AsInt32() * weight;
            }

            Vector256.Narrow(Vector256.Narrow(Clip(first), Clip(second)), Vector256.Narrow(Clip(third), Clip(fourth)))
                .Store(result + offset);
        }
    }

    // Optimised at once: a large photo is done before the runtime would notice that the loop is hot.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AlongFour(ReadOnlySpan<nint> lines, ReadOnlySpan<nint> results, int* repeated)
    {
        byte* line0 = (byte*)lines[0], line1 = (byte*)lines[1], line2 = (byte*)lines[2], line3 = (byte*)lines[3];
        for (int index = 0; index < _axis.Length; index++)
        {
            int start = BytesPerPixel * _axis.StartOf(index);
            int count = _axis.EndOf(index) - _axis.StartOf(index);
            int* weights = repeated + _offsets[index];
            Vector256<int> sum0 = default, sum1 = default, sum2 = default, sum3 = default;
            int offset = start;
            int pairEnd = start + (BytesPerPixel * (count & ~1));
            for (; offset < pairEnd; offset += 2 * BytesPerPixel, weights += 2 * BytesPerPixel)
            {
                Vector256<int> weight = Vector256.Load(weights);
                sum0 += Avx2.ConvertToVector256Int32(line0 + offset) * weight;
                sum1 += Avx2.ConvertToVector256Int32(line1 + offset) * weight;
                sum2 += Avx2.ConvertToVector256Int32(line2 + offset) * weight;
                sum3 += Avx2.ConvertToVector256Int32(line3 + offset) * weight;
            }

            Vector128<int> total0 = Fold(sum0), total1 = Fold(sum1), total2 = Fold(sum2), total3 = Fold(sum3);
            if ((count & 1) != 0)
            {
                Vector128<int> weight = Vector128.Load(weights);
                total0 += Pixel(line0 + offset) * weight;
                total1 += Pixel(line1 + offset) * weight;
                total2 += Pixel(line2 + offset) * weight;
                total3 += Pixel(line3 + offset) * weight;
            }

            Store(total0, results[0], index);
            Store(total1, results[1], index);
            Store(total2, results[2], index);
            Store(total3, results[3], index);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AlongOne(byte* line, byte* result, int* repeated)
    {
        for (int index = 0; index < _axis.Length; index++)
        {
            byte* pixel = line + (BytesPerPixel * _axis.StartOf(index));
            int count = _axis.EndOf(index) - _axis.StartOf(index);
            int* weights = repeated + _offsets[index];
            Vector128<int> sum = Vector128.Create(Half);
            for (int tap = 0; tap < count; tap++, pixel += BytesPerPixel, weights += BytesPerPixel)
                sum += Pixel(pixel) * Vector128.Load(weights);
            Store(sum, (nint)result, index);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Fold(Vector256<int> sum)
        => sum.GetLower() + sum.GetUpper() + Vector128.Create(Half);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Pixel(byte* pixel)
    {
        Vector128<byte> bytes = Vector128.CreateScalar(*(uint*)pixel).AsByte();
        return Vector128.WidenLower(Vector128.WidenLower(bytes)).AsInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector128<int> sum, nint result, int index)
    {
        Vector128<uint> clipped = Vector128.Clamp(sum >> AxisFilter.FractionBits, Vector128<int>.Zero,
            Vector128.Create((int)byte.MaxValue)).AsUInt32();
        Vector128<ushort> words = Vector128.Narrow(clipped, clipped);
        ((uint*)result)[index] = Vector128.Narrow(words, words).AsUInt32().ToScalar();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Clip(Vector256<int> sum) => Vector256.Clamp(sum >> AxisFilter.FractionBits,
        Vector256<int>.Zero, Vector256.Create((int)byte.MaxValue)).AsUInt32();
}
