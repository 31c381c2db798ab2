namespace MsResampler.Cli.Engines;

/// <summary>The attention and the gate of an image, averaged over heads and gate groups.</summary>
/// <param name="Grid">The image's patch grid.</param>
/// <param name="Attention">The attention of each scope, [M, N], row-major; each row sums to 1.</param>
/// <param name="Gate">The weights of each scope, [M]; the weights of a token sum to 1 over the scopes.</param>
internal sealed record TokenView(PatchGrid Grid, float[][] Attention, float[][] Gate)
{
    /// <summary>Averages the attention and the gate of an engine.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="grid">The image's patch grid.</param>
    /// <param name="addAttention">Adds the attention of a scope and a head to a sum.</param>
    /// <param name="gate">Returns an element of the gate by its index in [query, scope, group].</param>
    public static TokenView Average(ResamplerConfig config, PatchGrid grid, Action<int, int, float[]> addAttention,
        Func<int, double> gate)
    {
        int scopeCount = config.Scopes.Count;
        int queryCount = config.QueryGrid.QueryCount;
        int groupCount = config.GateGroupCount;
        TokenView view = new(grid, new float[scopeCount][], new float[scopeCount][]);
        for (int scope = 0; scope < scopeCount; scope++)
        {
            float[] attention = new float[checked(queryCount * (int)grid.PatchCount)];
            for (int head = 0; head < config.AttentionHeadCount; head++)
                addAttention(scope, head, attention);
            for (int index = 0; index < attention.Length; index++)
                attention[index] /= config.AttentionHeadCount;
            view.Attention[scope] = attention;

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
}
