using MathNet.Numerics.LinearAlgebra;
using MsResampler.Model;

namespace MsResampler.Reference;

/// <summary>One branch: the weights of its attention, and its scope prior as defined by steps 4 and 5.</summary>
internal sealed record Scope(ScopeConfig Config, Matrix<double> Queries, Linear QueryProjection,
    Linear KeyProjection, Linear ValueProjection, Linear OutputProjection, Matrix<double>? LogSigma)
{
    public static Scope Load(ScopeConfig config, ScopeWeights weights) => new(config,
        Tensors.Matrix(weights.Queries), Linear.Load(weights.QueryProjection),
        Linear.Load(weights.KeyProjection), Linear.Load(weights.ValueProjection),
        Linear.Load(weights.OutputProjection),
        weights.LogSigma is null ? null : Tensors.Matrix(weights.LogSigma));

    /// <summary>The values that step 3 adds to the logits of one head, [M, N], where N counts the patches of all
    /// frames: the bias of step 5 for patches in the scope of the query (step 4), −∞ for other patches.</summary>
    /// <remarks>The biases of each query are shifted so that the largest is 0. The softmax removes such a constant,
    /// but next to the large biases of a small sigma, logits would lose precision.</remarks>
    public Matrix<double> Bias(QueryGrid queryGrid, IReadOnlyList<PatchGrid> grids, int head)
    {
        AxisBiases[] rows = [.. grids.Select(grid
            => AxisBias(queryGrid.Rows, grid.Rows, Config.Window?.Rows, Sigma(head, grid).Rows))];
        AxisBiases[] columns = [.. grids.Select(grid
            => AxisBias(queryGrid.Columns, grid.Columns, Config.Window?.Columns, Sigma(head, grid).Columns))];
        Matrix<double> bias = Matrix<double>.Build.Dense(queryGrid.QueryCount, (int)grids.Sum(grid => grid.PatchCount));
        for (int query = 0; query < queryGrid.QueryCount; query++)
        {
            (int qi, int qj) = Math.DivRem(query, queryGrid.Columns);
            // Along each axis first: next to the huge distances of a small sigma, which may be equal or overflow, a sum
            // of both would lose the distances along the other axis.
            double[] rowShifts = Shifts([.. rows.Select(axis => axis.Largest[qi])]);
            double[] columnShifts = Shifts([.. columns.Select(axis => axis.Largest[qj])]);
            double[] shifts = Shifts([.. rowShifts.Zip(columnShifts, (row, column) => row + column)]);
            int first = 0;
            for (int frame = 0; frame < grids.Count; frame++)
            {
                for (int patch = 0; patch < grids[frame].PatchCount; patch++)
                {
                    (int i, int j) = Math.DivRem(patch, grids[frame].Columns);
                    bias[query, first + patch] = rows[frame].Bias[qi][i] + columns[frame].Bias[qj][j]
                        + shifts[frame];
                }

                first += (int)grids[frame].PatchCount;
            }
        }

        return bias;
    }

    /// <summary>The differences from the largest value; 0 for all values that equal it, also if it is −∞.</summary>
    private static double[] Shifts(double[] values)
        => [.. values.Select(value => value == values.Max() ? 0 : value - values.Max())];

    /// <summary>Bias and scope along one axis.</summary>
    /// <remarks>Squared distances are integers in units of (1/(2·queryExtent))², so that patches at equal distances
    /// have exactly equal biases.</remarks>
    private AxisBiases AxisBias(int queryExtent, int patchExtent, double? window, double sigma)
    {
        double[][] bias = new double[queryExtent][];
        double[] largest = new double[queryExtent];
        for (int query = 0; query < queryExtent; query++)
        {
            (Int128 first, Int128 last) = Window(query, queryExtent, patchExtent, window);
            Int128 unit = 2 * (Int128)queryExtent;
            Int128 anchor = ((((Int128)2 * query) + 1) * patchExtent) - queryExtent;
            Int128[] squares = [.. Enumerable.Range(0, patchExtent).Select(patch =>
                ((patch * unit) - anchor) * ((patch * unit) - anchor))];
            Int128 least = squares.Where((_, patch) => first <= patch && patch <= last).Min();
            bias[query] = [.. squares.Select((square, patch) =>
                patch < first || last < patch ? double.NegativeInfinity : Config.Prior switch
                {
                    ScopePrior.None or ScopePrior.Window => 0,
                    ScopePrior.Gaussian => Gaussian(square - least),
                    _ => throw new NotSupportedException(
                        $"{Config.Prior}: expected a prior that the reference implements"),
                })];
            largest[query] = Config.Prior == ScopePrior.Gaussian ? Gaussian(least) : 0;

            double Gaussian(Int128 square)
                => square == 0 ? 0 : -(double)square / (double)(2 * unit * unit) / sigma / sigma;
        }

        return new AxisBiases(bias, largest);
    }

    /// <summary>Step 4: the first and the last patch in the scope of a query. They lie outside the grid if the
    /// window is cut at its edge.</summary>
    private (Int128 First, Int128 Last) Window(int queryIndex, int queryExtent, int patchExtent, double? configured)
    {
        if (configured is not { } given)
            return (0, patchExtent - 1);
        Int128 window = Config.Units == ScopeUnits.Fraction
            ? (Int128)Math.Max(1, Math.Floor((given * patchExtent) + 0.5))
            : (Int128)given;
        if (Config.Border == WindowBorder.Shift)
            window = Int128.Min(window, patchExtent);
        Int128 unit = 2 * (Int128)queryExtent;
        Int128 t = ((((Int128)2 * queryIndex) + 1) * patchExtent) - (window * queryExtent);
        Int128 beyond = (((t + queryExtent) % unit) + unit) % unit;
        Int128 first = (t + queryExtent - beyond) / unit;
        if (beyond == 0 && (2L * queryIndex) + 1 > queryExtent)
            first--;
        if (Config.Border == WindowBorder.Shift)
            first = first < 0 ? 0 : Int128.Min(first, patchExtent - window);
        return (first, first + window - 1);
    }

    /// <summary>The biases along one axis.</summary>
    /// <param name="Bias">[queries][patches], shifted so that the largest of each query is 0.</param>
    /// <param name="Largest">What each query's biases were shifted by: the bias of the nearest visible patch.</param>
    private sealed record AxisBiases(double[][] Bias, double[] Largest);

    /// <summary>The sigma of a head, in patches; used only by a Gaussian prior.</summary>
    private AxisPair Sigma(int head, PatchGrid grid)
    {
        AxisPair sigma = LogSigma is not null
            ? new AxisPair(Math.Exp(LogSigma[head, 0]), Math.Exp(LogSigma[head, 1]))
            : Config.Sigma ?? default;
        return Config.Units == ScopeUnits.Fraction
            ? new AxisPair(sigma.Rows * grid.Rows, sigma.Columns * grid.Columns) : sigma;
    }
}
