namespace MsResampler.Cpu.Integer;

/// <summary>The scratch memory of a task of attention with integers. Every part begins at a cache line.</summary>
internal readonly unsafe ref struct AttentionScratch
{
    private const int LineBytes = 64;

    /// <summary>Divides scratch memory.</summary>
    /// <param name="memory">At least <see cref="FloatCount"/> floats, aligned to 64 bytes; null to compute it.</param>
    /// <param name="lanes">Queries of the tile, padding included: a multiple of 16.</param>
    /// <param name="keyBlock">Keys of a block.</param>
    /// <param name="keys">Keys.</param>
    /// <param name="values">Values.</param>
    public AttentionScratch(float* memory, int lanes, int keyBlock, in IntegerHeads keys, in IntegerHeads values)
    {
        byte* next = (byte*)memory;
        int tileWidth = Math.Min(lanes, keys.Kernel.PanelWidth);
        Logits = (float*)Take(ref next, keyBlock * lanes * sizeof(float));
        Sums = (float*)Take(ref next, keys.HeadSize * lanes * sizeof(float));
        Maximum = (float*)Take(ref next, lanes * sizeof(float));
        Total = (float*)Take(ref next, lanes * sizeof(float));
        QueryScale = (float*)Take(ref next, lanes * sizeof(float));
        QueryOffset = (float*)Take(ref next, lanes * sizeof(float));
        BlockMaximum = (float*)Take(ref next, lanes * sizeof(float));
        BlockScale = (float*)Take(ref next, lanes * sizeof(float));
        Rescale = (float*)Take(ref next, lanes * sizeof(float));
        TileSums = (int*)Take(ref next, IntegerTile.RowCount * tileWidth * sizeof(int));
        Queries = Take(ref next, Steps(keys.HeadSize, keys) * lanes * keys.StepBytes);
        Weights = Take(ref next, Steps(keyBlock, values) * lanes * values.StepBytes);
        Values = (int*)Take(ref next, Steps(keyBlock, values) * values.ChannelStride * sizeof(int));
        FloatCount = (int)((next - (byte*)memory) / sizeof(float));
    }

    /// <summary>Floats of scratch memory.</summary>
    public int FloatCount { get; }

    /// <summary>The logits of a block, [keys, lanes].</summary>
    public float* Logits { get; }

    /// <summary>The weighted sums of the integers of values, [d, lanes].</summary>
    public float* Sums { get; }

    /// <summary>The largest logit so far, [lanes].</summary>
    public float* Maximum { get; }

    /// <summary>The sum of weights so far, [lanes].</summary>
    public float* Total { get; }

    /// <summary>A logit is its integer times this factor plus <see cref="QueryOffset"/>, [lanes].</summary>
    public float* QueryScale { get; }

    /// <inheritdoc cref="QueryScale"/>
    public float* QueryOffset { get; }

    /// <summary>The largest logit of the block, [lanes].</summary>
    public float* BlockMaximum { get; }

    /// <summary>The factor of the block's sums, [lanes].</summary>
    public float* BlockScale { get; }

    /// <summary>The factor of the sums so far, [lanes].</summary>
    public float* Rescale { get; }

    /// <summary>The sums of a register tile.</summary>
    public int* TileSums { get; }

    /// <summary>Rounded queries: panels of [channel steps, lanes].</summary>
    public byte* Queries { get; }

    /// <summary>Rounded weights of a block: panels of [key steps, lanes].</summary>
    public byte* Weights { get; }

    /// <summary>The values of a block, [key steps, channels].</summary>
    public int* Values { get; }

    /// <summary>Steps of a product of <paramref name="terms"/> terms.</summary>
    public static int Steps(int terms, in IntegerHeads heads) => (terms + heads.StepLength - 1) / heads.StepLength;

    private static byte* Take(ref byte* next, int bytes)
    {
        byte* taken = next;
        next += (bytes + LineBytes - 1) / LineBytes * LineBytes;
        return taken;
    }
}
