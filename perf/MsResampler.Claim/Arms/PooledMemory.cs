using MsResampler.Cpu;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Claim.Arms;

/// <summary>Activations and gradients of a <see cref="PooledModel"/>, and what depends on the grid.</summary>
internal sealed class PooledMemory
{
    public PooledMemory(PatchGrid grid, int sceneCount, QueryGrid queries, PooledSizes sizes)
    {
        (Grid, SceneCount) = (grid, sceneCount);
        long patches = sceneCount * grid.PatchCount;
        long tokens = (long)sceneCount * queries.QueryCount;
        Features = new AlignedBuffer(patches * sizes.FeatureSize);
        PatchSums = new AlignedBuffer(patches * sizes.Width);
        Patches = new AlignedBuffer(patches * sizes.Width);
        PatchGradients = new AlignedBuffer(patches * sizes.Width);
        Pooled = new AlignedBuffer(tokens * sizes.Width);
        PooledGradients = new AlignedBuffer(tokens * sizes.Width);
        HiddenSums = new AlignedBuffer(tokens * sizes.HiddenWidth);
        Hidden = new AlignedBuffer(tokens * sizes.HiddenWidth);
        HiddenGradients = new AlignedBuffer(tokens * sizes.HiddenWidth);
        Tokens = new AlignedBuffer(tokens * sizes.TokenSize);

        Positions = new float[grid.PatchCount * sizes.Width];
        QueryOf = new int[grid.PatchCount];
        int[] counts = new int[queries.QueryCount];
        for (int patch = 0; patch < QueryOf.Length; patch++)
        {
            (int row, int column) = Math.DivRem(patch, grid.Columns);
            // The cell that contains the middle of the patch.
            QueryOf[patch] = (((2 * row) + 1) * queries.Rows / (2 * grid.Rows) * queries.Columns)
                + (((2 * column) + 1) * queries.Columns / (2 * grid.Columns));
            counts[QueryOf[patch]]++;
            Span<float> position = Positions.AsSpan(patch * sizes.Width, sizes.Width);
            PositionEmbedding.SinCos(column, position[..(sizes.Width / 2)]);
            PositionEmbedding.SinCos(row, position[(sizes.Width / 2)..]);
        }

        ShareOf = [.. QueryOf.Select(query => 1f / counts[query])];
    }

    public PatchGrid Grid { get; }

    public int SceneCount { get; }

    /// <summary>The number of scenes of the last forward pass.</summary>
    public int Active { get; set; }

    /// <summary>The sine–cosine embedding of each patch, [patches, width].</summary>
    public float[] Positions { get; }

    /// <summary>The query in whose cell a patch is.</summary>
    public int[] QueryOf { get; }

    /// <summary>One over the number of patches of that cell.</summary>
    public float[] ShareOf { get; }

    public AlignedBuffer Features { get; }

    public AlignedBuffer PatchSums { get; }

    public AlignedBuffer Patches { get; }

    public AlignedBuffer PatchGradients { get; }

    public AlignedBuffer Pooled { get; }

    public AlignedBuffer PooledGradients { get; }

    public AlignedBuffer HiddenSums { get; }

    public AlignedBuffer Hidden { get; }

    public AlignedBuffer HiddenGradients { get; }

    /// <summary>The tokens, then their gradients.</summary>
    public AlignedBuffer Tokens { get; }
}
