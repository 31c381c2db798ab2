using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Cpu.Integer;

/// <summary>Rounds rows of activations to integers. For 8-bit weights, the integers of a row are the 256 levels from
/// its smallest to its largest value; for 16-bit weights they are symmetric about 0.</summary>
/// <remarks>
/// <para>A level is <c>round(x / scale)</c>, ties to even, clamped to the range. The operations are the same, with one
/// rounding each, on every instruction set, in vectors and in the scalar remainder, and sums are of small whole
/// numbers. Hence a row has the same integers everywhere, and they depend on nothing but the row.</para>
/// <para>One channel much larger than the others makes the levels too coarse for the others. A row with such outliers
/// gets a second row of integers, for what rounding lost. The test compares the mean absolute level without the largest
/// with 1/<see cref="OutlierRatio"/> of the levels: normally distributed rows of any length in use have about 1/10 (8
/// bits) and 1/6 (16 bits), and one channel 100 times the others gives 1/125.</para>
/// </remarks>
internal static unsafe class Quantiser<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>The share of the levels that the mean absolute level of a row without outliers exceeds.</summary>
    private const int OutlierRatio = 32;

    /// <summary>Rows whose largest magnitude is smaller count as zeros. A scale of a residual with 16 bits is at least
    /// 2⁻⁹⁰/(2·32,767²) = 2⁻¹²¹: neither it is a denormal, nor is its inverse infinite.</summary>
    private const float SmallestMagnitude = 1f / (1L << 45) / (1L << 45);

    /// <summary>Rounds one row.</summary>
    /// <param name="row">The values, [<see cref="IntegerRows.InnerCount"/>].</param>
    /// <param name="inverseSmoothing">Factors of the values, one per channel; null for 1.</param>
    /// <param name="rows">Receives the row.</param>
    /// <param name="index">The index of the row.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Quantise(float* row, float* inverseSmoothing, in IntegerRows rows, int index)
    {
        int count = rows.InnerCount;
        int vectorEnd = count - (count % TSimd.Width);
        byte* target = rows.Values + (index * rows.Stride);
        float min = 0, max = 0, check = 0;
        Scan<TSimd, TVector>(row, inverseSmoothing, 0, vectorEnd, ref min, ref max, ref check);
        Scan<SimdScalar, float>(row, inverseSmoothing, vectorEnd, count, ref min, ref max, ref check);
        if (check != 0 || MathF.Max(-min, max) < SmallestMagnitude)
        {
            new Span<byte>(target, (int)rows.Stride).Clear();
            rows.Scales[index] = new RowScale(check, 0, 0);
            return;
        }

        bool isInt8 = rows.Type == IntegerType.Int8;
        int level16 = IntegerType.Int16.MaxLevel(count);
        Levels levels = isInt8 ? Asymmetric(min, max, rows.HasBytes) : Symmetric(MathF.Max(-min, max), level16);
        double sum = Round<TSimd, TVector>(row, inverseSmoothing, 0, vectorEnd, levels, target)
            + Round<SimdScalar, float>(row, inverseSmoothing, vectorEnd, count, levels, target);
        Pad(rows, target);
        double rest = sum - Math.Max(levels.Of(max), -levels.Of(min));
        float residualScale = 0;
        if (rest * OutlierRatio < (count - 1.0) * (isInt8 ? byte.MaxValue : level16))
        {
            // A residual is at most half a scale.
            int level = isInt8 ? sbyte.MaxValue : level16;
            residualScale = levels.Scale / (2 * level);
            Levels residual = new(residualScale, -level, level, rows.ResidualZero, rows.HasBytes);
            target = rows.Residuals + (index * rows.Stride);
            RoundResidual<TSimd, TVector>(row, inverseSmoothing, 0, vectorEnd, levels, residual, target);
            RoundResidual<SimdScalar, float>(row, inverseSmoothing, vectorEnd, count, levels, residual, target);
            Pad(rows, target);
        }

        rows.Scales[index] = new RowScale(levels.Scale, (int)levels.Offset, residualScale);
    }

    private static Levels Asymmetric(float min, float max, bool isByte)
    {
        // The quotients first: the difference of two large values may be infinite.
        float scale = (max / byte.MaxValue) - (min / byte.MaxValue);
        float zero = Math.Clamp(MathF.Round(-min * (1 / scale)), 0, byte.MaxValue);
        return new Levels(scale, -zero, byte.MaxValue - zero, isByte ? zero : 0, isByte);
    }

    private static Levels Symmetric(float max, int level) => new(max / level, -level, level, 0, isByte: false);

    /// <summary>Clears the bytes behind the last value.</summary>
    private static void Pad(in IntegerRows rows, byte* target)
    {
        int bytes = rows.InnerCount * (rows.HasBytes ? sizeof(byte) : sizeof(short));
        new Span<byte>(target + bytes, (int)rows.Stride - bytes).Clear();
    }

    /// <summary>Finds the range of values.</summary>
    /// <param name="row">The values.</param>
    /// <param name="factors">Their factors, or null.</param>
    /// <param name="first">The first value.</param>
    /// <param name="end">The end of the values: whole vectors.</param>
    /// <param name="min">The smallest value until now; receives the new one.</param>
    /// <param name="max">The largest value until now; receives the new one.</param>
    /// <param name="check">Becomes NaN if a value is not finite.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scan<TAny, TLanes>(float* row, float* factors, int first, int end, ref float min, ref float max,
        ref float check)
        where TAny : struct, ISimd<TLanes>
    {
        TLanes smallest = TAny.Create(min), largest = TAny.Create(max), zeros = TAny.Create(check);
        for (int i = first; i < end; i += TAny.Width)
        {
            TLanes value = Value<TAny, TLanes>(row, factors, i);
            smallest = TAny.Min(smallest, value);
            largest = TAny.Max(largest, value);
            zeros = TAny.MultiplyAdd(value, TAny.Zero, zeros);
        }

        float* lanes = stackalloc float[3 * TAny.Width];
        TAny.Store(lanes, smallest);
        TAny.Store(lanes + TAny.Width, largest);
        TAny.Store(lanes + (2 * TAny.Width), zeros);
        for (int lane = 0; lane < TAny.Width; lane++)
        {
            min = MathF.Min(min, lanes[lane]);
            max = MathF.Max(max, lanes[TAny.Width + lane]);
            check += lanes[(2 * TAny.Width) + lane];
        }
    }

    /// <summary>Stores the levels of values.</summary>
    /// <returns>The sum of their absolute values, which is below 2²⁴ and therefore exact.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Round<TAny, TLanes>(float* row, float* factors, int first, int end, Levels levels,
        byte* target)
        where TAny : struct, ISimd<TLanes>
    {
        TLanes inverse = TAny.Create(levels.Inverse), low = TAny.Create(levels.Low), high = TAny.Create(levels.High);
        TLanes offset = TAny.Create(levels.Offset);
        TLanes sum = TAny.Zero;
        for (int i = first; i < end; i += TAny.Width)
        {
            TLanes value = TAny.Multiply(Value<TAny, TLanes>(row, factors, i), inverse);
            TLanes level = TAny.Min(TAny.Max(TAny.Round(value), low), high);
            sum = TAny.Add(sum, TAny.Abs(level));
            Store<TAny, TLanes>(target, i, TAny.Add(level, offset), levels.IsByte);
        }

        return TAny.Sum(sum);
    }

    /// <summary>Stores the levels of what <see cref="Round"/> lost.</summary>
    /// <remarks>The level times the scale is rounded before it is subtracted: not every instruction set has a fused
    /// multiply-add. The error is below 2⁻²⁴ of the largest value.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RoundResidual<TAny, TLanes>(float* row, float* factors, int first, int end, Levels levels,
        Levels residual, byte* target)
        where TAny : struct, ISimd<TLanes>
    {
        TLanes inverse = TAny.Create(levels.Inverse), low = TAny.Create(levels.Low), high = TAny.Create(levels.High);
        TLanes residualLow = TAny.Create(residual.Low), residualHigh = TAny.Create(residual.High);
        for (int i = first; i < end; i += TAny.Width)
        {
            TLanes value = Value<TAny, TLanes>(row, factors, i);
            TLanes level = TAny.Min(TAny.Max(TAny.Round(TAny.Multiply(value, inverse)), low), high);
            TLanes lost = TAny.Subtract(value, TAny.Multiply(level, TAny.Create(levels.Scale)));
            lost = TAny.Round(TAny.Multiply(lost, TAny.Create(residual.Inverse)));
            lost = TAny.Add(TAny.Min(TAny.Max(lost, residualLow), residualHigh), TAny.Create(residual.Offset));
            Store<TAny, TLanes>(target, i, lost, residual.IsByte);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TLanes Value<TAny, TLanes>(float* row, float* factors, int index)
        where TAny : struct, ISimd<TLanes>
        => factors == null ? TAny.Load(row + index) : TAny.Multiply(TAny.Load(row + index), TAny.Load(factors + index));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TAny, TLanes>(byte* target, int index, TLanes value, bool isByte)
        where TAny : struct, ISimd<TLanes>
    {
        if (isByte)
            TAny.StoreBytes(target + index, value);
        else
            TAny.StoreShorts((short*)target + index, value);
    }

    /// <summary>The levels of a row.</summary>
    /// <param name="scale">The value of a level.</param>
    /// <param name="low">The lowest level.</param>
    /// <param name="high">The highest level.</param>
    /// <param name="offset">The stored integer of level 0.</param>
    /// <param name="isByte">Whether integers are stored as bytes, otherwise with 16 bits.</param>
    private readonly struct Levels(float scale, float low, float high, float offset, bool isByte)
    {
        public float Scale => scale;

        public float Inverse => 1 / scale;

        public float Low => low;

        public float High => high;

        public float Offset => offset;

        public bool IsByte => isByte;

        /// <summary>The level of a value.</summary>
        public float Of(float value) => MathF.Min(MathF.Max(MathF.Round(value * Inverse), low), high);
    }
}
