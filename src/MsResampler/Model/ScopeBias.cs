namespace MsResampler.Model;

/// <summary>The bias that a scope adds to a logit, in base 2: the sum of a row part and a column part. A part is −∞
/// for a row or column outside the window of the query. All backends, the exported graph and the maps use this
/// class.</summary>
/// <remarks>The softmax removes a constant per query. Each part is therefore shifted so that it is 0 at the visible
/// patch that is nearest to the anchor, and at most 0 elsewhere. However small sigma is, logits keep their precision
/// and the nearest patch keeps its weight. Every window contains at least one patch along each axis. Between frames of
/// unequal grids the shift is no constant: <see cref="RowOffset"/> and <see cref="ColumnOffset"/> give it.</remarks>
internal sealed class ScopeBias
{
    private readonly ScopeConfig _scope;
    private readonly ScopeWindows _windows;
    private readonly QueryGrid _queries;
    private readonly double[]? _logSigma;

    /// <param name="scope">The scope.</param>
    /// <param name="windows">The windows of the scope on the patch grid.</param>
    /// <param name="queries">The query grid.</param>
    /// <param name="logSigma">The learned log sigma, [A, 2]; or null.</param>
    /// <exception cref="ArgumentOutOfRangeException">This class does not implement the prior.</exception>
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
            _ => throw new ArgumentOutOfRangeException(nameof(scope), scope.Prior, "expected a prior with a bias here"),
        };
    }

    /// <summary>Whether the bias differs between heads.</summary>
    public bool IsPerHead => _logSigma is not null;

    /// <summary>Whether the bias is 0 at every patch of a window, so that the windows alone define it. A prior that
    /// hides patches inside the window is no mask.</summary>
    public bool IsMask { get; }

    /// <summary>The row part of the bias, for one query row and one patch row.</summary>
    public double Row(int queryRow, int head, int patch)
        => RowAxis(queryRow).At(patch, Scale(head, 0, _windows.Grid.Rows));

    /// <summary>The column part of the bias, for one query column and one patch column.</summary>
    public double Column(int queryColumn, int head, int patch)
        => ColumnAxis(queryColumn).At(patch, Scale(head, 1, _windows.Grid.Columns));

    /// <summary>The amount by which the row part of a query row is shifted: the bias before the shift of the visible
    /// patch row that is nearest to the anchor. Between frames of one group the sum of the row and column offsets is
    /// part of the bias.</summary>
    /// <returns>At most 0, in base 2; −∞ if it exceeds the range of double. It is exactly 0 for an anchor on a
    /// visible patch and for a mask.</returns>
    public double RowOffset(int queryRow, int head)
        => IsMask ? 0 : RowAxis(queryRow).Offset(Sigma(head, 0, _windows.Grid.Rows));

    /// <summary>The amount by which the column part of a query column is shifted, like
    /// <see cref="RowOffset"/>.</summary>
    public double ColumnOffset(int queryColumn, int head)
        => IsMask ? 0 : ColumnAxis(queryColumn).Offset(Sigma(head, 1, _windows.Grid.Columns));

    /// <summary>Writes the row part of the bias for one query row.</summary>
    /// <param name="queryRow">qi.</param>
    /// <param name="head">The head.</param>
    /// <param name="patches">The patch rows.</param>
    /// <param name="destination">Receives one value per patch row.</param>
    /// <param name="stride">Floats between values.</param>
    public void FillRows(int queryRow, int head, AxisRange patches, Span<float> destination, int stride)
        => Fill(RowAxis(queryRow), Scale(head, 0, _windows.Grid.Rows), patches, destination, stride);

    /// <summary>Writes the column part of the bias for one query column, like <see cref="FillRows"/>.</summary>
    public void FillColumns(int queryColumn, int head, AxisRange patches, Span<float> destination, int stride)
        => Fill(ColumnAxis(queryColumn), Scale(head, 1, _windows.Grid.Columns), patches, destination, stride);

    /// <summary>The window and the anchor of a query row.</summary>
    public QueryAxis RowAxis(int queryRow)
        => new(_windows.Rows[queryRow], queryRow, _queries.Rows, _windows.Grid.Rows);

    /// <summary>The window and the anchor of a query column.</summary>
    public QueryAxis ColumnAxis(int queryColumn)
        => new(_windows.Columns[queryColumn], queryColumn, _queries.Columns, _windows.Grid.Columns);

    private static void Fill(QueryAxis axis, double scale, AxisRange patches, Span<float> destination, int stride)
    {
        for (int patch = patches.Start; patch < patches.End; patch++)
            destination[(patch - patches.Start) * stride] = (float)axis.At(patch, scale);
    }

    /// <summary>log₂e / 2σ² with σ in patches: 0 without a Gaussian, infinite if σ² underflows.</summary>
    private double Scale(int head, int axis, int patchCount)
    {
        if (_scope.Prior != ScopePrior.Gaussian)
            return 0;
        double sigma = Sigma(head, axis, patchCount);
        return Base2.Log2E / (2 * sigma * sigma);
    }

    /// <summary>σ of a Gaussian in patches.</summary>
    private double Sigma(int head, int axis, int patchCount)
    {
        double sigma = _logSigma is not null ? Math.Exp(_logSigma[(head * 2) + axis])
            : axis == 0 ? _scope.Sigma!.Value.Rows : _scope.Sigma!.Value.Columns;
        return _scope.Units == ScopeUnits.Fraction ? sigma * patchCount : sigma;
    }
}
