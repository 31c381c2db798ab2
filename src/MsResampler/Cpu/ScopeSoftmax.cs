using System.Runtime.CompilerServices;
using MsResampler.Cpu.Simd;

namespace MsResampler.Cpu;

/// <summary>The online softmax of a tile of queries: passes over the logits of a block of keys, [keys, lanes] in base
/// 2, where the lanes are queries.</summary>
internal static unsafe class ScopeSoftmax<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>The maximum of an empty set of logits. It is finite, so that a block whose keys are all masked
    /// for a query gives weights of 0: with −∞, −∞ − (−∞) would be NaN. No finite logit is below it.</summary>
    public const float Lowest = float.MinValue;

    /// <summary>Sets the maximum and the sum of weights of each query to those of no keys.</summary>
    public static void Start(float* maximum, float* total, int lanes)
    {
        new Span<float>(maximum, lanes).Fill(Lowest);
        new Span<float>(total, lanes).Clear();
    }

    /// <summary>Adds the bias to the logits of a block and includes them in the maximum of each query.</summary>
    /// <remarks>The sum of weights of a query becomes NaN if one of its logits is not finite before the bias. Infinity
    /// and NaN lead to a weight of NaN; but an overflow to −∞ would be a weight of 0, as if the key were masked.
    /// Therefore the smallest logit times 0, which is NaN for −∞, is added to the sum.</remarks>
    /// <param name="logits">The logits, [count, lanes].</param>
    /// <param name="count">Keys of the block.</param>
    /// <param name="lanes">Queries, a multiple of the width of a vector.</param>
    /// <param name="rowBias">The row part of the bias, [key rows, lanes]; null if the bias is 0.</param>
    /// <param name="columnBias">The column part of the bias, [<paramref name="keyColumns"/>, lanes].</param>
    /// <param name="row">The row of the first key in the rectangle of patches.</param>
    /// <param name="column">The column of the first key.</param>
    /// <param name="keyColumns">Columns of the rectangle.</param>
    /// <param name="maximum">The maximum of each query.</param>
    /// <param name="total">The sum of weights of each query.</param>
    /// <param name="rescale">Receives 2 to the power of the earlier minus the new maximum, by which earlier sums must
    /// be multiplied.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddBias(float* logits, int count, int lanes, float* rowBias, float* columnBias, int row,
        int column, int keyColumns, float* maximum, float* total, float* rescale)
    {
        for (int lane = 0; lane < lanes; lane += TSimd.Width)
        {
            TVector old = TSimd.Load(maximum + lane);
            TVector best = old, worst = TSimd.Zero;
            float* logit = logits + lane;
            if (rowBias is null)
            {
                // Two chains each, because their latency would limit one.
                TVector otherBest = old, otherWorst = worst;
                int key = 0;
                for (; key + 2 <= count; key += 2, logit += 2 * lanes)
                {
                    TVector first = TSimd.Load(logit), second = TSimd.Load(logit + lanes);
                    best = TSimd.Max(best, first);
                    worst = TSimd.Min(worst, first);
                    otherBest = TSimd.Max(otherBest, second);
                    otherWorst = TSimd.Min(otherWorst, second);
                }

                if (key < count)
                {
                    TVector last = TSimd.Load(logit);
                    best = TSimd.Max(best, last);
                    worst = TSimd.Min(worst, last);
                }

                best = TSimd.Max(best, otherBest);
                worst = TSimd.Min(worst, otherWorst);
            }
            else
            {
                float* rowPart = rowBias + (row * lanes) + lane;
                for (int key = 0, first = column; key < count; first = 0, rowPart += lanes)
                {
                    int end = Math.Min(count, key + keyColumns - first);
                    TVector part = TSimd.Load(rowPart);
                    float* columnPart = columnBias + (first * lanes) + lane;
                    for (; key < end; key++, logit += lanes, columnPart += lanes)
                    {
                        TVector value = TSimd.Load(logit);
                        worst = TSimd.Min(worst, value);
                        value = TSimd.Add(value, TSimd.Add(part, TSimd.Load(columnPart)));
                        TSimd.Store(logit, value);
                        best = TSimd.Max(best, value);
                    }
                }
            }

            TVector factor = VectorMath<TSimd, TVector>.Exp2(TSimd.Subtract(old, best));
            TSimd.Store(maximum + lane, best);
            TSimd.Store(rescale + lane, factor);
            TSimd.Store(total + lane, TSimd.MultiplyAdd(worst, TSimd.Zero,
                TSimd.Multiply(TSimd.Load(total + lane), factor)));
        }
    }

    /// <summary>Replaces the logits of a block by weights relative to the maximum, and adds them to the sum of weights
    /// of each query.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Exponentiate(float* logits, int count, int lanes, float* maximum, float* total)
    {
        for (int lane = 0; lane < lanes; lane += TSimd.Width)
        {
            TVector best = TSimd.Load(maximum + lane);
            TVector sum = TSimd.Zero;
            float* logit = logits + lane;
            for (int key = 0; key < count; key++, logit += lanes)
            {
                TVector weight = VectorMath<TSimd, TVector>.Exp2(TSimd.Subtract(TSimd.Load(logit), best));
                TSimd.Store(logit, weight);
                sum = TSimd.Add(sum, weight);
            }

            TSimd.Store(total + lane, TSimd.Add(TSimd.Load(total + lane), sum));
        }
    }
}
