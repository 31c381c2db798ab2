using MsResampler.Model;

namespace MsResampler.Planning;

/// <summary>What a scope adds to a logit, in base 2: the sum of a row part and a column part, each −∞ outside the
/// query's window. Splitting by axis turns mask and Gaussian into one small table per axis.</summary>
internal sealed class ScopeBias
{
    private const double Log2E = 1.4426950408889634;

    private readonly ScopeConfig _scope;
    private readonly ScopeWindows _windows;
    private readonly QueryGrid _queries;
    private readonly double[]? _logSigma;

    /// <param name="scope">The scope.</param>
    /// <param name="windows">Its windows on the image's grid.</param>
    /// <param name="queries">The query grid.</param>
    /// <param name="logSigma">Learned log sigma, [A, 2], or null.</param>
    public ScopeBias(ScopeConfig scope, ScopeWindows windows, QueryGrid queries, double[]? logSigma)
    {
        _scope = scope;
        _windows = windows;
        _queries = queries;
        _logSigma = logSigma;
    }

    /// <summary>Whether heads differ.</summary>
    public bool IsPerHead => _logSigma is not null;

    /// <summary>Whether patches of a window differ.</summary>
    public bool IsGaussian => _scope.Prior == ScopePrior.Gaussian;

    /// <summary>The row part for one query row.</summary>
    /// <param name="queryRow">qi.</param>
    /// <param name="head">The head.</param>
    /// <param name="patches">The patch rows wanted.</param>
    /// <param name="destination">One value per patch row, <paramref name="stride"/> apart.</param>
    /// <param name="stride">Floats between values.</param>
    public void FillRows(int queryRow, int head, AxisRange patches, Span<float> destination, int stride)
        => Fill(_windows.Rows[queryRow], ScopeGeometry.Anchor(queryRow, _queries.Rows, _windows.Grid.Rows),
            RowSigma(head), patches, destination, stride);

    /// <summary>The column part for one query column.</summary>
    public void FillColumns(int queryColumn, int head, AxisRange patches, Span<float> destination, int stride)
        => Fill(_windows.Columns[queryColumn],
            ScopeGeometry.Anchor(queryColumn, _queries.Columns, _windows.Grid.Columns), ColumnSigma(head), patches,
            destination, stride);

    /// <summary>A head's sigma along rows in patches; infinite where the prior is not Gaussian.</summary>
    public double RowSigma(int head) => Sigma(_scope.Sigma?.Rows, head, 0, _windows.Grid.Rows);

    /// <summary>A head's sigma along columns.</summary>
    public double ColumnSigma(int head) => Sigma(_scope.Sigma?.Columns, head, 1, _windows.Grid.Columns);

    /// <summary>The patch of a window that is nearest to an anchor.</summary>
    public static double Nearest(AxisRange window, double anchor)
        => Math.Clamp(Math.Round(anchor), window.Start, window.End - 1);

    private double Sigma(double? configured, int head, int axis, int patchCount)
    {
        if (configured is not { } sigma)
            return double.PositiveInfinity;
        if (_logSigma is not null)
            sigma = Math.Exp(_logSigma[(head * 2) + axis]);
        return _scope.Units == ScopeUnits.Fraction ? sigma * patchCount : sigma;
    }

    /// <remarks>A constant per query drops out of the softmax, so the nearest patch of the window is put at 0: even a
    /// vanishing sigma then leaves finite logits in single precision.</remarks>
    private static void Fill(AxisRange window, double anchor, double sigma, AxisRange patches, Span<float> destination,
        int stride)
    {
        double scale = Log2E / (2 * sigma * sigma);
        double nearest = Nearest(window, anchor) - anchor;
        for (int patch = patches.Start; patch < patches.End; patch++)
        {
            double distance = patch - anchor;
            // Both factors can overflow to infinity only where the weight is 0 anyway.
            double bias = distance * distance == nearest * nearest ? 0
                : ((nearest * nearest) - (distance * distance)) * scale;
            destination[(patch - patches.Start) * stride] = window.Contains(patch)
                ? (float)bias : float.NegativeInfinity;
        }
    }
}
