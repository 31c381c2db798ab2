using MsResampler.Cpu;
using MsResampler.Model;

namespace MsResampler.Kernels.Forward;

/// <summary>The positions that keys see.</summary>
internal static class PatchPositions
{
    /// <summary>What keys add to Z, [N, D] in the device's layout.</summary>
    /// <param name="width">D.</param>
    /// <param name="queries">The query grid.</param>
    /// <param name="grid">The patch grid.</param>
    /// <param name="stored">The table stored on the query grid, or null.</param>
    public static float[] Of(PaddedAxis width, QueryGrid queries, PatchGrid grid, float[]? stored)
    {
        int stride = width.PaddedSize;
        float[] table = new float[checked((int)(grid.PatchCount * stride))];
        KeyPositions positions = stored is null ? KeyPositions.SinCos(grid, width.Size)
            : KeyPositions.Resized(stored, queries, grid, width.Size);
        float[] zeros = new float[width.Size];
        for (int patch = 0; patch < (int)grid.PatchCount; patch++)
            positions.AddTo(zeros, patch, table.AsSpan(patch * stride, width.Size));
        return table;
    }
}
