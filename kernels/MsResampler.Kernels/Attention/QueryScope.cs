using ILGPU;
using MsResampler.Kernels.Ptx;
using Utilities = ILGPU.Util.Utilities;

namespace MsResampler.Kernels.Attention;

/// <summary>What one query sees, in registers: its windows, and where it has one its Gaussian.</summary>
internal struct QueryScope
{
    /// <summary>The bits of 2²³: with an integer below in its low bits they are the float 2²³ + integer, which takes
    /// one instruction at full speed where a conversion takes four times as long.</summary>
    private const uint IntegerBits = 0x4B000000;

    private const float IntegerOffset = 8388608;

    /// <summary>A bit above the 15 of a row and of a column: a difference of two leaves it where it is not
    /// negative.</summary>
    private const uint Guards = 0x80008000;

    private uint _guardsLessFirst;
    private uint _lastAndGuards;
    private float _nearestRow;
    private float _rowSlope;
    private float _nearestColumn;
    private float _columnSlope;

    /// <summary>Reads a query's scope.</summary>
    /// <param name="rows">The window of its row.</param>
    /// <param name="columns">The window of its column.</param>
    /// <param name="rowScale">log₂e / 2σ² of rows, 0 without a Gaussian.</param>
    /// <param name="columnScale">The same of columns.</param>
    public static QueryScope Of(AxisWindow rows, AxisWindow columns, float rowScale, float columnScale) => new()
    {
        _guardsLessFirst = Guards - (((uint)rows.Start << 16) | (uint)columns.Start),
        _lastAndGuards = Guards + (((uint)(rows.Start + rows.Count - 1) << 16)
            | (uint)(columns.Start + columns.Count - 1)),
        _nearestRow = rows.Nearest + IntegerOffset,
        _rowSlope = rows.Slope * rowScale,
        _nearestColumn = columns.Nearest + IntegerOffset,
        _columnSlope = columns.Slope * columnScale,
    };

    /// <summary>The logit, or −∞ if the query does not see the patch.</summary>
    /// <param name="logit">The inner product of query and key.</param>
    /// <param name="place"><c>row &lt;&lt; 16 | column</c> of the patch.</param>
    public readonly float Mask(float logit, uint place)
    {
        // Row and column at once: neither comes before the first that the query sees, nor after the last.
        uint guards = (place + _guardsLessFirst) & (_lastAndGuards - place);
        return Utilities.Select((~guards & Guards) == 0, logit, float.NegativeInfinity);
    }

    /// <summary>The logit with the Gaussian's bias, or −∞ if the query does not see the patch. See
    /// <see cref="AxisWindow"/>.</summary>
    public readonly float MaskAndBias(float logit, uint place, float rowScale, float columnScale)
    {
        float row = Interop.IntAsFloat((place >> 16) | IntegerBits) - _nearestRow;
        float column = Interop.IntAsFloat((place & 0xFFFF) | IntegerBits) - _nearestColumn;
        float biased = PtxMath.Fma(-row, PtxMath.Fma(row, rowScale, _rowSlope), logit);
        biased = PtxMath.Fma(-column, PtxMath.Fma(column, columnScale, _columnSlope), biased);
        return Mask(biased, place);
    }
}
