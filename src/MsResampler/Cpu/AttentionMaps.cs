using System.Numerics.Tensors;
using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>Attention weights of one group as full matrices, for display. Keys are projected and every row of
/// logits is computed as the model defines it; the strategies of the plan are not used.</summary>
internal static unsafe class AttentionMaps
{
    /// <summary>Computes the attention weights of one scope.</summary>
    /// <param name="model">The model.</param>
    /// <param name="scope">The scope.</param>
    /// <param name="stack">The group; no other groups.</param>
    /// <param name="keyFeatures">Z of the group with positions, [patches of all frames, <paramref name="stride"/>].
    /// </param>
    /// <param name="stride">Floats between rows of <paramref name="keyFeatures"/>.</param>
    /// <param name="cancellationToken">Checked before every block of patches, and before every head of every
    /// query.</param>
    /// <returns>For each frame [A, M, N] row-major, where N counts its patches; 0 outside the windows. Null if a logit
    /// is not finite.</returns>
    public static float[][]? Compute<TSimd, TVector>(ModelOperands<TSimd, TVector> model, int scope, FrameStack stack,
        float* keyFeatures, int stride, CancellationToken cancellationToken)
        where TSimd : struct, ISimd<TVector>
    {
        int sumCount = model.Config.QueryGrid.QueryCount * model.Config.AttentionHeadCount;
        FrameSum[] sums = new FrameSum[stack.FrameCount * sumCount];
        float[][] weights = new float[stack.FrameCount][];
        for (int frame = 0; frame < weights.Length; frame++)
        {
            if (!TryCompute(model, scope, stack[frame], keyFeatures + ((nint)stack.FirstRow(frame) * stride), stride,
                sums.AsMemory(frame * sumCount, sumCount), out weights[frame], cancellationToken))
                return null;
        }

        if (stack.FrameCount > 1)
            Merge(model, scope, stack, sums, weights);
        return weights;
    }

    /// <summary>Computes the attention weights of one frame, as of an image.</summary>
    private static bool TryCompute<TSimd, TVector>(ModelOperands<TSimd, TVector> model, int scope, GridOperands grid,
        float* keyFeatures, int stride, Memory<FrameSum> sums, out float[] weights, CancellationToken cancellationToken)
        where TSimd : struct, ISimd<TVector>
    {
        ResamplerConfig config = model.Config;
        int patchCount = grid.PatchCount;
        int queryCount = config.QueryGrid.QueryCount;
        int width = config.HiddenSize;
        ScopeWindows windows = grid.Plan.Scopes[scope].Windows;
        ScopeBias bias = new(config.Scopes[scope], windows, config.QueryGrid, model.Scopes[scope].LogSigma);
        AlignedBuffer queries = model.Queries(scope, grid.Plan.Grid);
        AlignedBuffer keys = new((long)patchCount * width);
        WeightMatrix projection = model.Scopes[scope].Keys;
        const int BlockRows = 24;
        ParallelOptions options = new() { CancellationToken = cancellationToken };
        Parallel.For(0, (patchCount + BlockRows - 1) / BlockRows, options, block =>
        {
            int first = block * BlockRows;
            int rows = Math.Min(BlockRows, patchCount - first);
            AlignedBuffer scratch = new(WeightProduct<TSimd, TVector>.ScratchCount(projection, rows));
            WeightProduct<TSimd, TVector>.Run(keyFeatures + ((nint)first * stride), stride, rows, projection,
                keys.Pointer + ((nint)first * width), width, scratch.Pointer);
            GC.KeepAlive(scratch);
        });

        bool hasOverflowed = false;
        float[] made = new float[checked((long)config.AttentionHeadCount * queryCount * patchCount)];
        Parallel.For(0, config.AttentionHeadCount * queryCount, options, index =>
        {
            (int head, int query) = Math.DivRem(index, queryCount);
            (int queryRow, int queryColumn) = Math.DivRem(query, config.QueryGrid.Columns);
            AxisRange rows = windows.Rows[queryRow];
            AxisRange columns = windows.Columns[queryColumn];
            float[] rowBias = new float[rows.Count];
            float[] columnBias = new float[columns.Count];
            bias.FillRows(queryRow, head, rows, rowBias, 1);
            bias.FillColumns(queryColumn, head, columns, columnBias, 1);
            ReadOnlySpan<float> q = queries.Span.Slice((query * width) + (head * config.HeadSize), config.HeadSize);
            Span<float> row = made.AsSpan(index * patchCount, patchCount);
            float best = float.NegativeInfinity;
            foreach (int patch in Patches(rows, columns, grid.Plan.Grid))
            {
                (int i, int j) = Math.DivRem(patch, grid.Plan.Grid.Columns);
                float logit = TensorPrimitives.Dot(q, keys.Span.Slice((patch * width) + (head * config.HeadSize),
                    config.HeadSize));
                hasOverflowed |= !float.IsFinite(logit);
                row[patch] = logit + rowBias[i - rows.Start] + columnBias[j - columns.Start];
                best = Math.Max(best, row[patch]);
            }

            double total = 0;
            foreach (int patch in Patches(rows, columns, grid.Plan.Grid))
                total += row[patch] = MathF.Pow(2, row[patch] - best);
            TensorPrimitives.Divide(row, (float)total, row);
            sums.Span[(query * config.AttentionHeadCount) + head] =
                new FrameSum { Maximum = best, Total = (float)total };
        });
        GC.KeepAlive(queries);
        weights = made;
        return !hasOverflowed;
    }

    /// <summary>Multiplies the weights of each frame by its share in the softmax of the group.</summary>
    private static void Merge<TSimd, TVector>(ModelOperands<TSimd, TVector> model, int scope, FrameStack stack,
        FrameSum[] sums, float[][] weights)
        where TSimd : struct, ISimd<TVector>
    {
        int headCount = model.Config.AttentionHeadCount;
        int queryCount = model.Config.QueryGrid.QueryCount;
        fixed (FrameSum* first = sums)
            for (int query = 0; query < queryCount; query++)
                FrameMerge<TSimd, TVector>.Share(stack, 0, scope, query, new AxisRange(0, headCount),
                    first + (query * headCount), queryCount * headCount);
        for (int frame = 0; frame < weights.Length; frame++)
        {
            int patchCount = stack[frame].PatchCount;
            for (int index = 0; index < headCount * queryCount; index++)
            {
                (int head, int query) = Math.DivRem(index, queryCount);
                Span<float> row = weights[frame].AsSpan(index * patchCount, patchCount);
                TensorPrimitives.Multiply(row,
                    sums[(((frame * queryCount) + query) * headCount) + head].Total, row);
            }
        }
    }

    private static IEnumerable<int> Patches(AxisRange rows, AxisRange columns, PatchGrid grid)
    {
        for (int i = rows.Start; i < rows.End; i++)
            for (int j = columns.Start; j < columns.End; j++)
                yield return (i * grid.Columns) + j;
    }
}
