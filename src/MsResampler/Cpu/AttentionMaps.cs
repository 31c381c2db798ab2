using System.Numerics.Tensors;
using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>Attention weights of one image as full matrices, for display. Keys are projected and every row of
/// logits is computed as the model defines it; the strategies of the plan are not used.</summary>
internal static unsafe class AttentionMaps
{
    /// <summary>Computes the attention weights of one scope.</summary>
    /// <param name="model">The model.</param>
    /// <param name="scope">The scope.</param>
    /// <param name="grid">The operands of the image's grid.</param>
    /// <param name="keyFeatures">The image's Z with positions, [N, <paramref name="stride"/>].</param>
    /// <param name="stride">Floats between rows of <paramref name="keyFeatures"/>.</param>
    /// <returns>[A, M, N] row-major; 0 outside the windows.</returns>
    /// <exception cref="ActivationOverflowException">A logit is not finite.</exception>
    public static float[] Compute<TSimd, TVector>(ModelOperands<TSimd, TVector> model, int scope, GridOperands grid,
        float* keyFeatures, int stride)
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
        PackedMatrix projection = model.Scopes[scope].Keys;
        Parallel.For(0, projection.PanelCount, panel => Gemm<TSimd, TVector>.Panel(keyFeatures, stride, patchCount,
            projection, panel, keys.Pointer, width));

        bool hasOverflowed = false;
        float[] weights = new float[checked((long)config.AttentionHeadCount * queryCount * patchCount)];
        Parallel.For(0, config.AttentionHeadCount * queryCount, index =>
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
            Span<float> row = weights.AsSpan(index * patchCount, patchCount);
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
        });
        GC.KeepAlive(queries);
        if (hasOverflowed)
            ActivationOverflowException.Throw(new FrameGroups([grid.Plan.Grid]), 0, Precision.Float32);
        return weights;
    }

    private static IEnumerable<int> Patches(AxisRange rows, AxisRange columns, PatchGrid grid)
    {
        for (int i = rows.Start; i < rows.End; i++)
            for (int j = columns.Start; j < columns.End; j++)
                yield return (i * grid.Columns) + j;
    }
}
