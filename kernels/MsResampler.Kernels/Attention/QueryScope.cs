using ILGPU;
using Utilities = ILGPU.Util.Utilities;

namespace MsResampler.Kernels.Attention;

/// <summary>The scope of one query in registers: its windows and the start of its biases.</summary>
internal struct QueryScope
{
    /// <summary>The bit above each of the 15-bit row and column. A difference of two places leaves it set if it is
    /// not negative.</summary>
    private const uint Guards = 0x80008000;

    private const uint Extent = 0x7FFF;

    private uint _guardsLessFirst;
    private uint _lastAndGuards;
    private int _rowBias;
    private int _columnBias;

    /// <summary>Creates the scope of a query.</summary>
    /// <param name="rows">The window of its row.</param>
    /// <param name="columns">The window of its column.</param>
    /// <param name="bias">The start of the tables of its head.</param>
    /// <param name="copy">The offset of the copy of its column biases that the query reads.</param>
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
        // Compares row and column at once: neither may lie before the start of the window nor after its last
        // element. The sign bit of NoPlace flips the first guard of its row, which lies after all rows.
        uint guards = (place + _guardsLessFirst) & (_lastAndGuards - place);
        return Utilities.Select((~guards & Guards) == 0, logit, float.NegativeInfinity);
    }

    /// <summary>The logit plus its bias; −∞ if the query does not see the patch.</summary>
    /// <param name="bias">The tables.</param>
    /// <param name="logit">The inner product of query and key.</param>
    /// <param name="place">As for <see cref="Mask"/>.</param>
    /// <param name="rowStride">The distance between the biases of neighbouring patch rows.</param>
    /// <param name="columnStride">The distance between the biases of neighbouring patch columns.</param>
    public readonly float Bias(ArrayView<float> bias, float logit, uint place, int rowStride, int columnStride)
        => logit + (bias[_rowBias + ((int)((place >> 16) & Extent) * rowStride)]
            + bias[_columnBias + ((int)(place & Extent) * columnStride)]);
}
