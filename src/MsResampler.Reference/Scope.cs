using MathNet.Numerics.LinearAlgebra;
using MsResampler.Model;

namespace MsResampler.Reference;

/// <summary>One branch: its attention weights, and its scope prior evaluated pair by pair.</summary>
internal sealed record Scope(ScopeConfig Config, Matrix<double> Queries, Linear QueryProjection,
    Linear KeyProjection, Linear ValueProjection, Linear OutputProjection, Matrix<double>? LogSigma)
{
    public static Scope Load(ScopeConfig config, ScopeWeights weights) => new(config,
        Tensors.Matrix(weights.Queries), Linear.Load(weights.QueryProjection),
        Linear.Load(weights.KeyProjection), Linear.Load(weights.ValueProjection),
        Linear.Load(weights.OutputProjection),
        weights.LogSigma is null ? null : Tensors.Matrix(weights.LogSigma));

    /// <summary>What step 3 adds to the logits of one head, [M, N]: the bias of step 5 where the patch is in
    /// the query's scope (step 4), −∞ where it is not.</summary>
    public Matrix<double> Bias(QueryGrid queryGrid, PatchGrid grid, int head)
        => Matrix<double>.Build.Dense(queryGrid.QueryCount, (int)grid.PatchCount, (query, patch) =>
        {
            (int qi, int qj) = Math.DivRem(query, queryGrid.Columns);
            (int i, int j) = Math.DivRem(patch, grid.Columns);
            return Sees(queryGrid, grid, qi, qj, i, j)
                ? LogPrior(queryGrid, grid, head, qi, qj, i, j)
                : double.NegativeInfinity;
        });

    /// <summary>Step 4: whether patch (i, j) is in the scope of query (qi, qj).</summary>
    public bool Sees(QueryGrid queryGrid, PatchGrid grid, int qi, int qj, int i, int j)
    {
        if (Config.Window is not { } window)
            return true;
        return IsInWindow(i, qi, queryGrid.Rows, grid.Rows, Extent(window.Rows, grid.Rows))
            && IsInWindow(j, qj, queryGrid.Columns, grid.Columns, Extent(window.Columns, grid.Columns));
    }

    private long Extent(double window, int patchExtent) => Config.Units == ScopeUnits.Fraction
        ? (long)Math.Max(1, Math.Floor((window * patchExtent) + 0.5))
        : (long)window;

    private bool IsInWindow(int patchIndex, int queryIndex, int queryExtent, int patchExtent, long window)
    {
        long centre = ((2L * queryIndex) + 1) * patchExtent / (2L * queryExtent);
        if (Config.Border == WindowBorder.Shift)
            window = Math.Min(window, patchExtent);
        long first = centre - ((window - 1) / 2);
        long last = centre + (window / 2);
        if (Config.Border == WindowBorder.Shift)
        {
            long shift = first < 0 ? -first : last >= patchExtent ? patchExtent - 1 - last : 0;
            first += shift;
            last += shift;
        }
        return first <= patchIndex && patchIndex <= last;
    }

    /// <summary>Step 5: the bias of a pair within the scope.</summary>
    private double LogPrior(QueryGrid queryGrid, PatchGrid grid, int head, int qi, int qj, int i, int j)
    {
        if (Config.Prior != ScopePrior.Gaussian)
            return 0;
        AxisPair sigma = LogSigma is null
            ? Config.Sigma!.Value
            : new AxisPair(Math.Exp(LogSigma[head, 0]), Math.Exp(LogSigma[head, 1]));
        if (Config.Units == ScopeUnits.Fraction)
            sigma = new AxisPair(sigma.Rows * grid.Rows, sigma.Columns * grid.Columns);
        double dy = (i - Positions.Anchor(qi, queryGrid.Rows, grid.Rows)) / sigma.Rows;
        double dx = (j - Positions.Anchor(qj, queryGrid.Columns, grid.Columns)) / sigma.Columns;
        return -(dy * dy / 2) - (dx * dx / 2);
    }
}
