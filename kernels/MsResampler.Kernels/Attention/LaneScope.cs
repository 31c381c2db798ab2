using ILGPU;

namespace MsResampler.Kernels.Attention;

/// <summary>The scopes of the two queries of a lane, those of its rows g and g+8.</summary>
internal struct LaneScope
{
    private QueryScope _upper;
    private QueryScope _lower;
    private int _rowStride;
    private int _columnStride;

    /// <summary>Loads the scopes.</summary>
    /// <param name="windows">The windows.</param>
    /// <param name="block">A block of the scope.</param>
    /// <param name="head">The head.</param>
    /// <param name="upperRow">The row of the query grid of the query in row g.</param>
    /// <param name="upperColumn">The column of this query.</param>
    /// <param name="lowerRow">The row of the query grid of the query in row g+8.</param>
    /// <param name="lowerColumn">The column of this query.</param>
    /// <param name="upperCopy">The offset of the copy of its column biases that the query in row g reads; a multiple
    /// of the tile's number of columns.</param>
    /// <param name="lowerCopy">The same for the query in row g+8.</param>
    public static LaneScope Load(ArrayView<AxisWindow> windows, MmaBlock block, int head, int upperRow,
        int upperColumn, int lowerRow, int lowerColumn, int upperCopy, int lowerCopy)
    {
        int bias = block.Bias + (head * block.BiasHeadStride);
        AxisWindow rows = AxisWindow.Load(windows, block.RowWindows + upperRow);
        AxisWindow columns = AxisWindow.Load(windows, block.ColumnWindows + upperColumn);
        return new LaneScope
        {
            _upper = QueryScope.Of(rows, columns, bias, upperCopy),
            _lower = QueryScope.Of(AxisWindow.Load(windows, block.RowWindows + lowerRow),
                AxisWindow.Load(windows, block.ColumnWindows + lowerColumn), bias, lowerCopy),
            _rowStride = rows.BiasStride,
            _columnStride = columns.BiasStride,
        };
    }

    /// <summary>Masks a logit of row g.</summary>
    public readonly float MaskUpper(float logit, uint place) => _upper.Mask(logit, place);

    /// <summary>Masks a logit of row g+8.</summary>
    public readonly float MaskLower(float logit, uint place) => _lower.Mask(logit, place);

    /// <summary>Adds the bias of a logit of row g.</summary>
    public readonly float BiasUpper(ArrayView<float> bias, float logit, uint place)
        => _upper.Bias(bias, logit, place, _rowStride, _columnStride);

    /// <summary>Adds the bias of a logit of row g+8.</summary>
    public readonly float BiasLower(ArrayView<float> bias, float logit, uint place)
        => _lower.Bias(bias, logit, place, _rowStride, _columnStride);
}
