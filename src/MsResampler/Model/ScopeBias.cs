namespace MsResampler.Model;

/// <summary>What a scope adds to a logit, in base 2: the sum of a row part and a column part, each −∞ where the query
/// does not see the row or column. Every backend, the exported graph and the pictures take it from here.</summary>
/// <remarks>A constant per query drops out of the softmax, so a part is 0 at the patch of the window that is nearest to
/// the anchor and at no patch above 0: however small a sigma is, the logits keep their digits, and the nearest patch its
/// weight. A query sees at least one patch of each axis, also where a part is more than a window.</remarks>
internal sealed class ScopeBias
{
    private readonly ScopeConfig _scope;
    private readonly ScopeWindows _windows;
    private readonly QueryGrid _queries;
    private readonly double[]? _logSigma;

    /// <param name="scope">The scope.</param>
    /// <param name="windows">Its windows on the image's grid.</param>
    /// <param name="queries">The query grid.</param>
    /// <param name="logSigma">Learned log sigma, [A, 2], or null.</param>
    /// <exception cref="ArgumentOutOfRangeException">The prior is none that this class knows.</exception>
    public ScopeBias(ScopeConfig scope, ScopeWindows windows, QueryGrid queries, double[]? logSigma)
    {
        _scope = scope;
        _windows = windows;
        _queries = queries;
        _logSigma = logSigma;
        IsMask = scope.Prior switch
        {
            ScopePrior.None or ScopePrior.Window => true,
            ScopePrior.Gaussian => false,
            _ => throw new ArgumentOutOfRangeException(nameof(scope), scope.Prior, "a prior without a bias"),
        };
    }

    /// <summary>Whether heads differ.</summary>
    public bool IsPerHead => _logSigma is not null;

    /// <summary>Whether the bias is 0 at every patch of a query's window: the windows then say everything.</summary>
    public bool IsMask { get; }

    /// <summary>The row part for one query row at one patch row.</summary>
    public double Row(int queryRow, int head, int patch)
        => RowAxis(queryRow).At(patch, Scale(head, 0, _windows.Grid.Rows));

    /// <summary>The column part for one query column at one patch column.</summary>
    public double Column(int queryColumn, int head, int patch)
        => ColumnAxis(queryColumn).At(patch, Scale(head, 1, _windows.Grid.Columns));

    /// <summary>The row part for one query row.</summary>
    /// <param name="queryRow">qi.</param>
    /// <param name="head">The head.</param>
    /// <param name="patches">The patch rows wanted.</param>
    /// <param name="destination">One value per patch row, <paramref name="stride"/> apart.</param>
    /// <param name="stride">Floats between values.</param>
    public void FillRows(int queryRow, int head, AxisRange patches, Span<float> destination, int stride)
        => Fill(RowAxis(queryRow), Scale(head, 0, _windows.Grid.Rows), patches, destination, stride);

    /// <summary>The column part for one query column.</summary>
    public void FillColumns(int queryColumn, int head, AxisRange patches, Span<float> destination, int stride)
        => Fill(ColumnAxis(queryColumn), Scale(head, 1, _windows.Grid.Columns), patches, destination, stride);

    private static void Fill(QueryAxis axis, double scale, AxisRange patches, Span<float> destination, int stride)
    {
        for (int patch = patches.Start; patch < patches.End; patch++)
            destination[(patch - patches.Start) * stride] = (float)axis.At(patch, scale);
    }

    private QueryAxis RowAxis(int queryRow)
        => new(_windows.Rows[queryRow], queryRow, _queries.Rows, _windows.Grid.Rows);

    private QueryAxis ColumnAxis(int queryColumn)
        => new(_windows.Columns[queryColumn], queryColumn, _queries.Columns, _windows.Grid.Columns);

    /// <summary>log₂e / 2σ² in patches: 0 where there is no Gaussian, and infinite for the smallest sigmas.</summary>
    private double Scale(int head, int axis, int patchCount)
    {
        if (_scope.Prior != ScopePrior.Gaussian)
            return 0;
        double sigma = _logSigma is not null ? Math.Exp(_logSigma[(head * 2) + axis])
            : axis == 0 ? _scope.Sigma!.Value.Rows : _scope.Sigma!.Value.Columns;
        if (_scope.Units == ScopeUnits.Fraction)
            sigma *= patchCount;
        return Base2.Log2E / (2 * sigma * sigma);
    }

    /// <summary>A query's window and anchor along one axis, as integers in units of 1/(2·queryCount), where squared
    /// distances are compared exactly: patches equally near have the same bias for every sigma.</summary>
    private readonly struct QueryAxis
    {
        private readonly AxisRange _window;
        private readonly long _unit;
        private readonly long _anchor;
        private readonly int _nearest;

        public QueryAxis(AxisRange window, int query, int queryCount, int patchCount)
        {
            _window = window;
            _unit = 2L * queryCount;
            _anchor = (((2L * query) + 1) * patchCount) - queryCount;
            // Patches k and k+1 about the anchor, the nearer one or else what of the window is nearest to it.
            long below = Math.DivRem(_anchor, _unit, out long beyond);
            _nearest = (int)Math.Clamp(2 * beyond > _unit ? below + 1 : below, window.Start, window.End - 1);
        }

        /// <summary>The bias of a patch.</summary>
        public double At(int patch, double scale)
        {
            if (!_window.Contains(patch))
                return double.NegativeInfinity;
            // d² − n² = (d − n)·(d + n), where d − n is a whole number of patches.
            long sum = (patch * _unit) - _anchor + (_nearest * _unit) - _anchor;
            double excess = (double)(patch - _nearest) * sum / _unit;
            return excess == 0 ? 0 : -excess * scale;
        }
    }
}
