using ILGPU;
using Utilities = ILGPU.Util.Utilities;

namespace MsResampler.Kernels.Attention;

/// <summary>What one query sees, in registers: its windows, and where its bias lies.</summary>
internal struct QueryScope
{
    /// <summary>A bit above the 15 of a row and of a column: a difference of two leaves it where it is not
    /// negative.</summary>
    private const uint Guards = 0x80008000;

    private const uint Extent = 0x7FFF;

    private uint _guardsLessFirst;
    private uint _lastAndGuards;
    private int _rowBias;
    private int _columnBias;

    /// <summary>Reads a query's scope.</summary>
    /// <param name="rows">The window of its row.</param>
    /// <param name="columns">The window of its column.</param>
    /// <param name="bias">Where the tables of its head begin.</param>
    /// <param name="copy">How far after the first bias of its column the one lies that it reads.</param>
    public static QueryScope Of(AxisWindow rows, AxisWindow columns, int bias, int copy) => new()
    {
        _guardsLessFirst = Guards - (((uint)rows.Start << 16) | (uint)columns.Start),
        _lastAndGuards = Guards + (((uint)(rows.Start + rows.Count - 1) << 16)
            | (uint)(columns.Start + columns.Count - 1)),
        _rowBias = bias + rows.Bias,
        _columnBias = bias + columns.Bias + copy,
    };

    /// <summary>The logit, or −∞ if the query does not see the patch.</summary>
    /// <param name="logit">The inner product of query and key.</param>
    /// <param name="place"><c>row &lt;&lt; 16 | column</c> of the patch, or
    /// <see cref="ScopeSchedule.NoPlace"/>.</param>
    public readonly float Mask(float logit, uint place)
    {
        // Row and column at once: neither comes before the first that the query sees, nor after the last. The sign of
        // what is no key turns the first guard of its row over, which is after all rows.
        uint guards = (place + _guardsLessFirst) & (_lastAndGuards - place);
        return Utilities.Select((~guards & Guards) == 0, logit, float.NegativeInfinity);
    }

    /// <summary>The logit and its bias: −∞ if the query does not see the patch.</summary>
    /// <param name="bias">The tables.</param>
    /// <param name="logit">The inner product of query and key.</param>
    /// <param name="place">As for <see cref="Mask"/>.</param>
    /// <param name="rowStride">From one patch row's bias to the next.</param>
    /// <param name="columnStride">From one patch column's to the next.</param>
    public readonly float Bias(ArrayView<float> bias, float logit, uint place, int rowStride, int columnStride)
        => logit + (bias[_rowBias + ((int)((place >> 16) & Extent) * rowStride)]
            + bias[_columnBias + ((int)(place & Extent) * columnStride)]);
}
