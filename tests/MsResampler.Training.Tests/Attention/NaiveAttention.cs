namespace MsResampler.Training.Tests.Attention;

/// <summary>Attention of one head and its gradients as loops in double precision over all pairs, with the formulas of
/// the model as they are written.</summary>
internal sealed class NaiveAttention
{
    private readonly AttentionCase _case;

    public NaiveAttention(AttentionCase @case, double[][] queries, double[][] keys, double[][] values,
        double[]? logSigma)
    {
        _case = @case;
        int headSize = @case.HeadSize;
        Outputs = new double[@case.QueryCount * headSize];
        QueryGradients = [.. queries.Select(frame => new double[frame.Length])];
        KeyGradients = [.. keys.Select(frame => new double[frame.Length])];
        QueryTerms = [.. queries.Select(frame => new double[frame.Length])];
        KeyTerms = [.. keys.Select(frame => new double[frame.Length])];
        ValueGradients = [.. values.Select(frame => new double[frame.Length])];
        for (int query = 0; query < @case.QueryCount; query++)
            Attend(query, queries, keys, values, logSigma);
    }

    /// <summary>The attention of a case.</summary>
    public static NaiveAttention Of(AttentionCase @case) => new(@case, Widen(@case.Queries), Widen(@case.Keys),
        Widen(@case.PatchValues), @case.LogSigma is null ? null : Widen([@case.LogSigma])[0]);

    /// <summary>[M, d].</summary>
    public double[] Outputs { get; }

    public double[][] QueryGradients { get; }

    public double[][] KeyGradients { get; }

    public double[][] ValueGradients { get; }

    /// <summary>The gradient of log sigma (rows, columns).</summary>
    public double[] SigmaGradients { get; } = new double[2];

    /// <summary>The sums of the magnitudes that <see cref="QueryGradients"/> adds up.</summary>
    public double[][] QueryTerms { get; }

    /// <summary>The sums of the magnitudes that <see cref="KeyGradients"/> adds up.</summary>
    public double[][] KeyTerms { get; }

    /// <summary>The sums of the magnitudes that <see cref="SigmaGradients"/> adds up.</summary>
    public double[] SigmaTerms { get; } = new double[2];

    /// <summary>The largest magnitude of a logit without bias.</summary>
    public double LargestLogit { get; private set; }

    /// <summary>Σ outputs·gradient of the outputs, whose gradients the others are.</summary>
    public double Loss => Outputs.Select((output, index) => output * _case.OutputGradients[index]).Sum();

    public static double[][] Widen(float[][] frames)
        => [.. frames.Select(frame => frame.Select(value => (double)value).ToArray())];

    private void Attend(int query, double[][] queries, double[][] keys, double[][] values, double[]? logSigma)
    {
        int headSize = _case.HeadSize;
        double root = Math.Sqrt(headSize);
        (int qi, int qj) = Math.DivRem(query, _case.Config.QueryGrid.Columns);
        List<Pair> pairs = [];
        for (int frame = 0; frame < _case.Grids.Length; frame++)
        {
            PatchGrid grid = _case.Grids[frame];
            ScopeWindows windows = ScopeWindows.Resolve(_case.Scope, _case.Config.QueryGrid, grid);
            double ay = ((qi + 0.5) * grid.Rows / _case.Config.QueryGrid.Rows) - 0.5;
            double ax = ((qj + 0.5) * grid.Columns / _case.Config.QueryGrid.Columns) - 0.5;
            (double sigmaY, double sigmaX) = Sigma(grid, logSigma);
            for (int i = windows.Rows[qi].Start; i < windows.Rows[qi].End; i++)
            {
                for (int j = windows.Columns[qj].Start; j < windows.Columns[qj].End; j++)
                {
                    int patch = (i * grid.Columns) + j;
                    double logit = Dot(queries[frame], query, keys[frame], patch) / root;
                    LargestLogit = Math.Max(LargestLogit, Math.Abs(logit));
                    double rows = (i - ay) * (i - ay) / (sigmaY * sigmaY);
                    double columns = (j - ax) * (j - ax) / (sigmaX * sigmaX);
                    pairs.Add(new Pair(frame, patch, logit - ((rows + columns) / 2), rows, columns));
                }
            }
        }

        double largest = pairs.Max(pair => pair.Logit);
        double total = pairs.Sum(pair => Math.Exp(pair.Logit - largest));
        int row = query * headSize;
        foreach (Pair pair in pairs)
            for (int c = 0; c < headSize; c++)
                Outputs[row + c] += Weight(pair) * values[pair.Frame][(pair.Patch * headSize) + c];
        double delta = 0;
        for (int c = 0; c < headSize; c++)
            delta += Outputs[row + c] * _case.OutputGradients[row + c];
        foreach (Pair pair in pairs)
        {
            double weightGradient = 0, magnitude = Math.Abs(delta);
            int patch = pair.Patch * headSize;
            for (int c = 0; c < headSize; c++)
            {
                double outputGradient = _case.OutputGradients[row + c];
                weightGradient += outputGradient * values[pair.Frame][patch + c];
                magnitude += Math.Abs(outputGradient * values[pair.Frame][patch + c]);
                ValueGradients[pair.Frame][patch + c] += Weight(pair) * outputGradient;
            }

            double gradient = Weight(pair) * (weightGradient - delta);
            magnitude *= Weight(pair);
            for (int c = 0; c < headSize; c++)
            {
                QueryGradients[pair.Frame][row + c] += gradient * keys[pair.Frame][patch + c] / root;
                KeyGradients[pair.Frame][patch + c] += gradient * queries[pair.Frame][row + c] / root;
                QueryTerms[pair.Frame][row + c] += magnitude * Math.Abs(keys[pair.Frame][patch + c]) / root;
                KeyTerms[pair.Frame][patch + c] += magnitude * Math.Abs(queries[pair.Frame][row + c]) / root;
            }

            SigmaGradients[0] += gradient * pair.Rows;
            SigmaGradients[1] += gradient * pair.Columns;
            SigmaTerms[0] += magnitude * pair.Rows;
            SigmaTerms[1] += magnitude * pair.Columns;
        }

        double Weight(Pair pair) => Math.Exp(pair.Logit - largest) / total;
    }

    /// <summary>Sigma in patches; infinite without a Gaussian.</summary>
    private (double Rows, double Columns) Sigma(PatchGrid grid, double[]? logSigma)
    {
        if (_case.Scope.Prior != ScopePrior.Gaussian)
            return (double.PositiveInfinity, double.PositiveInfinity);
        (double rows, double columns) = logSigma is null
            ? (_case.Scope.Sigma!.Value.Rows, _case.Scope.Sigma.Value.Columns)
            : (Math.Exp(logSigma[0]), Math.Exp(logSigma[1]));
        return _case.Scope.Units == ScopeUnits.Fraction ? (rows * grid.Rows, columns * grid.Columns) : (rows, columns);
    }

    private double Dot(double[] a, int aRow, double[] b, int bRow)
    {
        double sum = 0;
        for (int c = 0; c < _case.HeadSize; c++)
            sum += a[(aRow * _case.HeadSize) + c] * b[(bRow * _case.HeadSize) + c];
        return sum;
    }

    /// <summary>A query and a patch that it sees: the logit with bias, and the squared distances in units of
    /// sigma.</summary>
    private readonly record struct Pair(int Frame, int Patch, double Logit, double Rows, double Columns);
}
