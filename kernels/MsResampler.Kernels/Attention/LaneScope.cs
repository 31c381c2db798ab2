using ILGPU;

namespace MsResampler.Kernels.Attention;

/// <summary>What the two queries of a lane see, those of its rows g and g+8.</summary>
internal struct LaneScope
{
    private QueryScope _upper;
    private QueryScope _lower;
    private float _rowScale;
    private float _columnScale;

    /// <summary>Reads it.</summary>
    /// <param name="windows">The windows.</param>
    /// <param name="scales">The scales of Gaussians.</param>
    /// <param name="block">A block of the scope.</param>
    /// <param name="head">The head.</param>
    /// <param name="upperRow">The row of the query grid of the query of row g.</param>
    /// <param name="upperColumn">Its column.</param>
    /// <param name="lowerRow">The row of that of row g+8.</param>
    /// <param name="lowerColumn">Its column.</param>
    public static LaneScope Load(ArrayView<AxisWindow> windows, ArrayView<float> scales, ScopeBlock block, int head,
        int upperRow, int upperColumn, int lowerRow, int lowerColumn)
    {
        float rowScale = 0;
        float columnScale = 0;
        if (block.Scales >= 0)
        {
            rowScale = scales[block.Scales + (head * block.ScaleHeadStride)];
            columnScale = scales[block.Scales + (head * block.ScaleHeadStride) + 1];
        }

        return new LaneScope
        {
            _upper = QueryScope.Of(AxisWindow.Load(windows, block.RowWindows + upperRow),
                AxisWindow.Load(windows, block.ColumnWindows + upperColumn), rowScale, columnScale),
            _lower = QueryScope.Of(AxisWindow.Load(windows, block.RowWindows + lowerRow),
                AxisWindow.Load(windows, block.ColumnWindows + lowerColumn), rowScale, columnScale),
            _rowScale = rowScale,
            _columnScale = columnScale,
        };
    }

    /// <summary>Masks a logit of row g.</summary>
    public readonly float MaskUpper(float logit, uint place) => _upper.Mask(logit, place);

    /// <summary>Masks a logit of row g+8.</summary>
    public readonly float MaskLower(float logit, uint place) => _lower.Mask(logit, place);

    /// <summary>Masks a logit of row g and adds its Gaussian.</summary>
    public readonly float BiasUpper(float logit, uint place)
        => _upper.MaskAndBias(logit, place, _rowScale, _columnScale);

    /// <summary>Masks a logit of row g+8 and adds its Gaussian.</summary>
    public readonly float BiasLower(float logit, uint place)
        => _lower.MaskAndBias(logit, place, _rowScale, _columnScale);
}
