using ILGPU;

namespace MsResampler.Kernels.Attention;

/// <summary>What the two queries of a lane see, those of its rows g and g+8.</summary>
internal struct LaneScope
{
    private QueryScope _upper;
    private QueryScope _lower;
    private int _rowStride;
    private int _columnStride;

    /// <summary>Reads it.</summary>
    /// <param name="windows">The windows.</param>
    /// <param name="block">A block of the scope.</param>
    /// <param name="head">The head.</param>
    /// <param name="upperRow">The row of the query grid of the query of row g.</param>
    /// <param name="upperColumn">Its column.</param>
    /// <param name="lowerRow">The row of that of row g+8.</param>
    /// <param name="lowerColumn">Its column.</param>
    /// <param name="upperCopy">Which of the biases of its column the query of row g reads: how far after the first, a
    /// multiple of the tile's columns.</param>
    /// <param name="lowerCopy">The same of that of row g+8.</param>
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
