namespace MsResampler.Cli.Engines;

/// <summary>The attention and the gate of an image or a group of frames, averaged over heads and gate groups.</summary>
/// <param name="Grids">The patch grid of each frame; one for an image.</param>
/// <param name="Attention">The attention of each scope and frame, [M, N], row-major, where N counts the patches of the
/// frame; the weights of each token sum to 1 over all frames.</param>
/// <param name="Gate">The weights of each scope, [M]; the weights of a token sum to 1 over the scopes.</param>
internal sealed record TokenView(IReadOnlyList<PatchGrid> Grids, float[][][] Attention, float[][] Gate)
{
    /// <summary>Averages the attention and the gate of an engine.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="grids">The patch grid of each frame.</param>
    /// <param name="addAttention">Adds the attention of a scope, a head and a frame to a sum.</param>
    /// <param name="gate">Returns an element of the gate by its index in [query, scope, group].</param>
    public static TokenView Average(ResamplerConfig config, IReadOnlyList<PatchGrid> grids,
        Action<int, int, int, float[]> addAttention, Func<int, double> gate)
    {
        int scopeCount = config.Scopes.Count;
        int queryCount = config.QueryGrid.QueryCount;
        int groupCount = config.GateGroupCount;
        TokenView view = new(grids, new float[scopeCount][][], new float[scopeCount][]);
        for (int scope = 0; scope < scopeCount; scope++)
        {
            view.Attention[scope] = new float[grids.Count][];
            for (int frame = 0; frame < grids.Count; frame++)
            {
                float[] attention = new float[checked(queryCount * (int)grids[frame].PatchCount)];
                for (int head = 0; head < config.AttentionHeadCount; head++)
                    addAttention(scope, head, frame, attention);
                for (int index = 0; index < attention.Length; index++)
                    attention[index] /= config.AttentionHeadCount;
                view.Attention[scope][frame] = attention;
            }

            float[] weights = new float[queryCount];
            for (int query = 0; query < queryCount; query++)
            {
                int first = ((query * scopeCount) + scope) * groupCount;
                weights[query] = (float)Enumerable.Range(first, groupCount).Average(gate);
            }

            view.Gate[scope] = weights;
        }

        return view;
    }

    /// <summary>The attention on each patch of a frame, [N], as the mean over all tokens, relative to a uniform share
    /// over the patches of all frames.</summary>
    public double[] MeanAttention(int scope, int frame)
    {
        int patchCount = (int)Grids[frame].PatchCount;
        float[] attention = Attention[scope][frame];
        double[] mean = new double[patchCount];
        for (int index = 0; index < attention.Length; index++)
            mean[index % patchCount] += attention[index];
        int queryCount = attention.Length / patchCount;
        long total = Grids.Sum(grid => grid.PatchCount);
        for (int patch = 0; patch < patchCount; patch++)
            mean[patch] *= (double)total / queryCount;
        return mean;
    }

    /// <summary>The attention of one token on the patches of a frame, [N].</summary>
    public ReadOnlyMemory<float> AttentionOf(int query, int scope, int frame)
    {
        int patchCount = (int)Grids[frame].PatchCount;
        return Attention[scope][frame].AsMemory(query * patchCount, patchCount);
    }
}
