using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Cpu.Integer;

/// <summary>Rounds the projected keys or values of one head and frame to integers. The levels of a channel are evenly
/// spaced from its smallest to its largest value in the frame, so that channels of different sizes, and those whose
/// mean is far from 0, lose nothing.</summary>
/// <remarks>The operations are the same on every instruction set, with one rounding each. They depend on nothing but
/// the frame. A channel with a value that is not finite has NaN as scale and offset.</remarks>
internal static unsafe class HeadQuantiser<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>The smallest scale. Its inverse and its products with levels are far from the ends of
    /// float32.</summary>
    private const float SmallestScale = 1e-30f;

    /// <summary>Rounds a head.</summary>
    /// <param name="rows">The values of the frame, [<paramref name="rowCount"/>, d]. The floats between d and <see
    /// cref="IntegerHeads.ChannelStride"/> are read and have no effect.</param>
    /// <param name="rowStride">Floats between rows.</param>
    /// <param name="rowCount">The patches of the frame.</param>
    /// <param name="heads">Receives the integers, scales and offsets.</param>
    /// <param name="frame">The frame.</param>
    /// <param name="firstRow">The first patch of the frame in <paramref name="heads"/>.</param>
    /// <param name="head">The head.</param>
    public static void Run(float* rows, nint rowStride, int rowCount, in IntegerHeads heads, int frame, int firstRow,
        int head)
    {
        float* scales = heads.Scales(frame, head), offsets = heads.Offsets(frame, head);
        byte* target = heads.Row(head, firstRow);
        int end = heads.ChannelStride;
        int channel = 0;
        for (; channel + (4 * TSimd.Width) <= end; channel += 4 * TSimd.Width)
            RoundFour(rows, rowStride, rowCount, heads, channel, scales, offsets, target);
        for (; channel < end; channel += TSimd.Width)
            RoundOne(rows, rowStride, rowCount, heads, channel, scales, offsets, target);
    }

    /// <summary>Rounds four vectors of channels, so that rows are read in the order of memory.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RoundFour(float* rows, nint rowStride, int rowCount, in IntegerHeads heads, int channel,
        float* scales, float* offsets, byte* target)
    {
        rows += channel;
        int width = TSimd.Width;
        Range a = new(rows), b = new(rows + width), c = new(rows + (2 * width)), d = new(rows + (3 * width));
        float* row = rows;
        for (int r = 0; r < rowCount; r++, row += rowStride)
        {
            a.Include(row);
            b.Include(row + width);
            c.Include(row + (2 * width));
            d.Include(row + (3 * width));
        }

        Levels first = new(a, heads, scales, offsets, channel);
        Levels second = new(b, heads, scales, offsets, channel + width);
        Levels third = new(c, heads, scales, offsets, channel + (2 * width));
        Levels fourth = new(d, heads, scales, offsets, channel + (3 * width));
        bool hasBytes = heads.HasBytes;
        nint rowBytes = heads.RowBytes;
        row = rows;
        for (int r = 0; r < rowCount; r++, row += rowStride, target += rowBytes)
        {
            Store(target, channel, first.Round(row), hasBytes);
            Store(target, channel + width, second.Round(row + width), hasBytes);
            Store(target, channel + (2 * width), third.Round(row + (2 * width)), hasBytes);
            Store(target, channel + (3 * width), fourth.Round(row + (3 * width)), hasBytes);
        }
    }

    /// <summary>Rounds one vector of channels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RoundOne(float* rows, nint rowStride, int rowCount, in IntegerHeads heads, int channel,
        float* scales, float* offsets, byte* target)
    {
        rows += channel;
        Range range = new(rows);
        float* row = rows;
        for (int r = 0; r < rowCount; r++, row += rowStride)
            range.Include(row);
        Levels levels = new(range, heads, scales, offsets, channel);
        row = rows;
        for (int r = 0; r < rowCount; r++, row += rowStride, target += heads.RowBytes)
            Store(target, channel, levels.Round(row), heads.HasBytes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(byte* target, int channel, TVector level, bool hasBytes)
    {
        if (hasBytes)
            TSimd.StoreBytes(target + channel, level);
        else
            TSimd.StoreShorts((short*)target + channel, level);
    }

    /// <summary>The smallest and the largest values of a vector of channels.</summary>
    private struct Range(float* first)
    {
        public TVector Min = TSimd.Load(first);

        public TVector Max = TSimd.Load(first);

        /// <summary>0, or NaN if a value is not finite.</summary>
        public TVector Check = TSimd.Zero;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Include(float* row)
        {
            TVector value = TSimd.Load(row);
            Min = TSimd.Min(Min, value);
            Max = TSimd.Max(Max, value);
            Check = TSimd.MultiplyAdd(value, TSimd.Zero, Check);
        }
    }

    /// <summary>The levels of a vector of channels.</summary>
    private readonly struct Levels
    {
        private readonly TVector _offset;
        private readonly TVector _inverse;
        private readonly TVector _low;
        private readonly TVector _high;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Levels(in Range range, in IntegerHeads heads, float* scales, float* offsets, int channel)
        {
            bool isInt8 = heads.Type == IntegerType.Int8;
            _high = TSimd.Create(isInt8 ? byte.MaxValue : heads.Level);
            _low = isInt8 ? TSimd.Zero : TSimd.Create(-heads.Level);
            TVector extent = TSimd.Subtract(range.Max, range.Min);
            TVector scale = TSimd.Max(TSimd.Create(SmallestScale),
                TSimd.Divide(extent, TSimd.Subtract(_high, _low)));
            _offset = isInt8 ? range.Min : TSimd.MultiplyAdd(extent, TSimd.Create(0.5f), range.Min);
            _inverse = TSimd.Divide(TSimd.Create(1), scale);
            TVector check = TSimd.MultiplyAdd(extent, TSimd.Zero, range.Check);
            TSimd.Store(scales + channel, TSimd.Add(scale, check));
            TSimd.Store(offsets + channel, TSimd.Add(_offset, check));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Round(float* value)
        {
            TVector level = TSimd.Multiply(TSimd.Subtract(TSimd.Load(value), _offset), _inverse);
            return TSimd.Min(TSimd.Max(TSimd.Round(level), _low), _high);
        }
    }
}
