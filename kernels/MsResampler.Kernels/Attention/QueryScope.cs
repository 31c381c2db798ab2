using ILGPU;
using MsResampler.Kernels.Ptx;
using Utilities = ILGPU.Util.Utilities;

namespace MsResampler.Kernels.Attention;

/// <summary>What one query sees, in registers: its windows, and where it has one its Gaussian.</summary>
internal struct QueryScope
{
    /// <summary>The bits of 2²³: with an integer below in its low bits they are the float 2²³ + integer, which takes one
    /// instruction at full speed where a conversion takes four times as long.</summary>
    private const uint IntegerBits = 0x4B000000;

    private const float IntegerOffset = 8388608;

    private AxisWindow _rows;
    private AxisWindow _columns;
    private float _rowScale;
    private float _columnScale;

    /// <summary>Reads a query's scope.</summary>
    /// <param name="windows">The windows.</param>
    /// <param name="scales">The scales of Gaussians.</param>
    /// <param name="row">Where the window of its row lies.</param>
    /// <param name="column">Where the window of its column lies.</param>
    /// <param name="scale">Where its scales lie; negative without a Gaussian.</param>
    public static QueryScope Load(ArrayView<AxisWindow> windows, ArrayView<float> scales, int row, int column,
        int scale)
    {
        var scope = new QueryScope { _rows = windows[row], _columns = windows[column] };
        if (scale >= 0)
        {
            scope._rowScale = scales[scale];
            scope._columnScale = scales[scale + 1];
        }

        scope._rows.Nearest += IntegerOffset;
        scope._columns.Nearest += IntegerOffset;
        scope._rows.Slope *= scope._rowScale;
        scope._columns.Slope *= scope._columnScale;
        return scope;
    }

    /// <summary>The logit, or −∞ if the query does not see the patch.</summary>
    /// <param name="logit">The inner product of query and key.</param>
    /// <param name="place">The patch, or −1 for none.</param>
    public readonly float Mask(float logit, uint place)
    {
        uint row = place >> 16;
        uint column = place & 0xFFFF;
        return Utilities.Select((row - (uint)_rows.Start < (uint)_rows.Count)
            & (column - (uint)_columns.Start < (uint)_columns.Count), logit, float.NegativeInfinity);
    }

    /// <summary>The logit with the Gaussian's bias, or −∞ if the query does not see the patch. See
    /// <see cref="AxisWindow"/>.</summary>
    public readonly float MaskAndBias(float logit, uint place)
    {
        float row = Interop.IntAsFloat((place >> 16) | IntegerBits) - _rows.Nearest;
        float column = Interop.IntAsFloat((place & 0xFFFF) | IntegerBits) - _columns.Nearest;
        float biased = PtxMath.Fma(-row, PtxMath.Fma(row, _rowScale, _rows.Slope), logit);
        biased = PtxMath.Fma(-column, PtxMath.Fma(column, _columnScale, _columns.Slope), biased);
        return Mask(biased, place);
    }
}
