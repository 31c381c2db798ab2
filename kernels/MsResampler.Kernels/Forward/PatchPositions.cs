namespace MsResampler.Kernels.Forward;

/// <summary>The positions that are added to keys.</summary>
internal static class PatchPositions
{
    /// <summary>The rows that are added to Z before k_proj, [N, D] in the device's layout.</summary>
    /// <param name="width">D.</param>
    /// <param name="config">The model.</param>
    /// <param name="grid">The patch grid.</param>
    /// <param name="stored">The table stored on the query grid, or null.</param>
    public static float[] Of(PaddedAxis width, ResamplerConfig config, PatchGrid grid, float[]? stored)
    {
        int stride = width.PaddedSize;
        float[] table = new float[checked((int)(grid.PatchCount * stride))];
        PositionEmbedding.OfPatches(config.PositionEmbedding.Keys, stored, config.QueryGrid, grid, width.Size, stride,
            table);
        return table;
    }
}
