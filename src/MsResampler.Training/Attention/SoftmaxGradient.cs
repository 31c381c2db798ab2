using System.Runtime.CompilerServices;
using MsResampler.Cpu;
using MsResampler.Cpu.Simd;

namespace MsResampler.Training.Attention;

/// <summary>The pass over a block of logits that computes weights and the gradients of logits, [keys, lanes], where
/// the lanes are queries.</summary>
/// <remarks>
/// <para>The weight of key n for query m is p = 2^(s − max)/total, and the gradient of its natural logit p·(dO·v −
/// dO·o). The gradient of the outputs dO that enters here is already divided by the total, and so is the product
/// delta = dO·o, so that weights without that division give both products.</para>
/// <para>A row part b of the bias in base 2 is −ln2⁻¹·(d² − n²)/2σ², so the derivative of the natural logit by log σ
/// is −2·ln2·b. The sums of b times the gradient are kept here; the constant n² drops out, because the gradients of a
/// query add up to 0.</para> </remarks>
internal static unsafe class SoftmaxGradient<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Replaces logits by weights, and gradients of weights by gradients of logits.</summary>
    /// <param name="logits">The logits without bias, [count, lanes].</param>
    /// <param name="gradients">The gradients of the weights.</param>
    /// <param name="count">Keys of the block.</param>
    /// <param name="lanes">Queries in whole vectors.</param>
    /// <param name="maximum">The largest logit of each query.</param>
    /// <param name="delta">The product of output and its gradient of each query.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(float* logits, float* gradients, int count, int lanes, float* maximum, float* delta)
    {
        for (int lane = 0; lane < lanes; lane += TSimd.Width)
        {
            TVector best = TSimd.Load(maximum + lane);
            TVector mean = TSimd.Load(delta + lane);
            float* logit = logits + lane;
            float* gradient = gradients + lane;
            for (int key = 0; key < count; key++, logit += lanes, gradient += lanes)
                Step(logit, gradient, TSimd.Load(logit), best, mean);
        }
    }

    /// <summary>The same with a bias.</summary>
    /// <param name="logits">The logits without bias, [count, lanes].</param>
    /// <param name="gradients">The gradients of the weights.</param>
    /// <param name="first">The first key of the block in the rectangle of patches.</param>
    /// <param name="count">Keys of the block.</param>
    /// <param name="lanes">Queries in whole vectors.</param>
    /// <param name="scratch">Holds bias, shifts, maxima and deltas of the queries.</param>
    /// <param name="keyColumns">Columns of the rectangle.</param>
    /// <param name="rowSum">The sum of row parts times gradients of logits, which is added to; or null.</param>
    /// <param name="columnSum">The same for column parts.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(float* logits, float* gradients, int first, int count, int lanes, AttentionScratch scratch,
        int keyColumns, double* rowSum, double* columnSum)
    {
        (int firstRow, int firstColumn) = Math.DivRem(first, keyColumns);
        TVector least = TSimd.Create(TileBias.Least);
        for (int lane = 0; lane < lanes; lane += TSimd.Width)
        {
            TVector best = TSimd.Load(scratch.Maximum + lane);
            TVector mean = TSimd.Load(scratch.Delta + lane);
            TVector shift = TSimd.Load(scratch.Shift + lane);
            TVector rowShift = TSimd.Load(scratch.RowShift + lane);
            TVector rowTotal = TSimd.Zero, columnTotal = TSimd.Zero, total = TSimd.Zero;
            float* rowPart = scratch.RowBias + (firstRow * lanes) + lane;
            float* logit = logits + lane;
            float* gradient = gradients + lane;
            int column = firstColumn;
            for (int key = 0; key < count; column = 0, rowPart += lanes)
            {
                int end = Math.Min(count, key + keyColumns - column);
                TVector part = TSimd.Add(TSimd.Load(rowPart), shift);
                float* columnPart = scratch.ColumnBias + (column * lanes) + lane;
                if (rowSum == null)
                {
                    for (; key < end; key++, logit += lanes, gradient += lanes, columnPart += lanes)
                        Step(logit, gradient, TSimd.Add(TSimd.Load(logit), TSimd.Add(part, TSimd.Load(columnPart))),
                            best, mean);
                    continue;
                }

                TVector sum = TSimd.Zero;
                for (; key < end; key++, logit += lanes, gradient += lanes, columnPart += lanes)
                {
                    TVector other = TSimd.Load(columnPart);
                    TVector result = Step(logit, gradient, TSimd.Add(TSimd.Load(logit), TSimd.Add(part, other)), best,
                        mean);
                    sum = TSimd.Add(sum, result);
                    columnTotal = TSimd.MultiplyAdd(result, TSimd.Max(least, other), columnTotal);
                }

                rowTotal = TSimd.MultiplyAdd(sum, TSimd.Add(TSimd.Max(least, TSimd.Load(rowPart)), rowShift),
                    rowTotal);
                total = TSimd.Add(total, sum);
            }

            if (rowSum == null)
                continue;
            columnTotal = TSimd.MultiplyAdd(total, TSimd.Load(scratch.ColumnShift + lane), columnTotal);
            *rowSum += TSimd.Sum(rowTotal);
            *columnSum += TSimd.Sum(columnTotal);
        }
    }

    /// <summary>Stores a weight and the gradient of its logit, and returns the gradient.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Step(float* logit, float* gradient, TVector value, TVector best, TVector mean)
    {
        TVector weight = VectorMath<TSimd, TVector>.Exp2(TSimd.Subtract(value, best));
        TVector result = TSimd.Multiply(weight, TSimd.Subtract(TSimd.Load(gradient), mean));
        TSimd.Store(logit, weight);
        TSimd.Store(gradient, result);
        return result;
    }
}
