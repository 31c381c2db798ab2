namespace MsResampler.Training.Attention;

/// <summary>The parts of the scratch memory of a call for one frame.</summary>
internal readonly unsafe struct AttentionScratch
{
    /// <summary>Keys per block, a multiple of the heights of all register tiles. With 64 lanes the logits of a block
    /// take 24 KiB; together with keys, values and their gradients they stay in the second-level cache.</summary>
    public const int KeyBlock = 96;

    private const int LineFloats = 16;

    /// <param name="memory">The memory, aligned to 64 bytes; null to compute <see cref="Count"/>.</param>
    /// <param name="geometry">The geometry of the frame.</param>
    /// <param name="headSize">d.</param>
    /// <param name="vectorWidth">Floats of a vector.</param>
    public AttentionScratch(float* memory, FrameGeometry geometry, int headSize, int vectorWidth)
    {
        RowStride = (headSize + vectorWidth - 1) / vectorWidth * vectorWidth;
        int lanes = geometry.LaneCount;
        float* next = memory;
        Logits = Take(ref next, KeyBlock * lanes);
        WeightGradients = Take(ref next, KeyBlock * lanes);
        Queries = Take(ref next, headSize * lanes);
        OutputGradients = Take(ref next, headSize * lanes);
        QueryRows = Take(ref next, lanes * RowStride);
        OutputGradientRows = Take(ref next, lanes * RowStride);
        Sums = Take(ref next, lanes * RowStride);
        Keys = Take(ref next, KeyBlock * RowStride);
        Values = Take(ref next, KeyBlock * RowStride);
        KeyGradients = Take(ref next, KeyBlock * RowStride);
        RowBias = Take(ref next, geometry.KeyRowCount * lanes);
        ColumnBias = Take(ref next, geometry.KeyColumnCount * lanes);
        Maximum = Take(ref next, lanes);
        Total = Take(ref next, lanes);
        Rescale = Take(ref next, lanes);
        Delta = Take(ref next, lanes);
        Shift = Take(ref next, lanes);
        RowShift = Take(ref next, lanes);
        ColumnShift = Take(ref next, lanes);
        Count = checked((int)(next - memory));
    }

    /// <summary>The number of floats.</summary>
    public int Count { get; }

    /// <summary>Floats between rows of channels: d in whole vectors.</summary>
    public int RowStride { get; }

    /// <summary>Logits, then weights, of a block, [keys, lanes].</summary>
    public float* Logits { get; }

    /// <summary>The gradients of weights, then of logits, [keys, lanes].</summary>
    public float* WeightGradients { get; }

    /// <summary>Queries, [d, lanes].</summary>
    public float* Queries { get; }

    /// <summary>Gradients of the outputs, [d, lanes].</summary>
    public float* OutputGradients { get; }

    /// <summary>Queries, [lanes, stride].</summary>
    public float* QueryRows { get; }

    /// <summary>Gradients of the outputs, [lanes, stride].</summary>
    public float* OutputGradientRows { get; }

    /// <summary>Sums of values, or of keys for the gradients of queries, [lanes, stride].</summary>
    public float* Sums { get; }

    /// <summary>The keys of a block, [keys, stride].</summary>
    public float* Keys { get; }

    /// <summary>The values of a block, [keys, stride].</summary>
    public float* Values { get; }

    /// <summary>Gradients of the keys, or of the values, of a block, [keys, stride].</summary>
    public float* KeyGradients { get; }

    /// <summary>The row part of the bias, [key rows, lanes].</summary>
    public float* RowBias { get; }

    /// <summary>The column part of the bias, [key columns, lanes].</summary>
    public float* ColumnBias { get; }

    /// <summary>The largest logit of each query.</summary>
    public float* Maximum { get; }

    /// <summary>The sum of weights of each query.</summary>
    public float* Total { get; }

    /// <summary>The factor of earlier sums of each query.</summary>
    public float* Rescale { get; }

    /// <summary>The product of output and its gradient of each query.</summary>
    public float* Delta { get; }

    /// <summary>What the logits of the frame are shifted by, see <see cref="FrameShifts"/>.</summary>
    public float* Shift { get; }

    /// <summary>The part of the shift that depends on the sigma of the rows.</summary>
    public float* RowShift { get; }

    /// <summary>The part of the shift that depends on the sigma of the columns.</summary>
    public float* ColumnShift { get; }

    private static float* Take(ref float* next, int count)
    {
        float* part = next;
        next += (count + LineFloats - 1) / LineFloats * LineFloats;
        return part;
    }
}
