namespace MsResampler.Training.Tests.Attention;

/// <summary>The inputs of one head of one scope for one group of frames, and the gradient of its outputs.</summary>
internal sealed class AttentionCase
{
    private static readonly int[] s_headSizes = [1, 3, 5, 8, 16, 17, 32, 64, 65, 128];
    private static readonly int[] s_extents = [1, 1, 2, 3, 4, 5, 7, 9, 13, 17, 24];
    private static readonly int[] s_queryExtents = [1, 1, 2, 3, 5, 8, 12];

    /// <param name="scope">The scope.</param>
    /// <param name="queries">The query grid.</param>
    /// <param name="headSize">d.</param>
    /// <param name="grids">The patch grid of each frame.</param>
    /// <param name="logSigma">The learned log sigma, 2 values; or null.</param>
    /// <param name="logitScale">The factor of the queries, which are uniform in ±1.</param>
    /// <param name="seed">The seed of all values.</param>
    public AttentionCase(ScopeConfig scope, QueryGrid queries, int headSize, PatchGrid[] grids,
        float[]? logSigma = null, double logitScale = 1, int seed = 1)
    {
        Config = Configs.Of(scope) with
        {
            HiddenSize = headSize,
            AttentionHeadCount = 1,
            QueryGrid = queries,
        };
        Grids = grids;
        LogSigma = logSigma;
        Random random = new(seed);
        Queries = [.. grids.Select(_ => Values(random, QueryCount * headSize, logitScale))];
        Keys = [.. grids.Select(grid => Values(random, (int)grid.PatchCount * headSize, 1))];
        PatchValues = [.. grids.Select(grid => Values(random, (int)grid.PatchCount * headSize, 1))];
        OutputGradients = Values(random, QueryCount * headSize, 1);
    }

    public ResamplerConfig Config { get; }

    public ScopeConfig Scope => Config.Scopes[0];

    public int HeadSize => Config.HeadSize;

    public int QueryCount => Config.QueryGrid.QueryCount;

    public PatchGrid[] Grids { get; }

    public float[]? LogSigma { get; }

    /// <summary>The queries of each frame, [M, d].</summary>
    public float[][] Queries { get; }

    /// <summary>The keys of each frame, [N, d].</summary>
    public float[][] Keys { get; }

    /// <summary>The values of each frame, [N, d].</summary>
    public float[][] PatchValues { get; }

    /// <summary>The gradient of the outputs, [M, d].</summary>
    public float[] OutputGradients { get; }

    /// <summary>A case that is drawn from a seed.</summary>
    public static AttentionCase Draw(int seed)
    {
        Random random = new(seed);
        ScopeConfig scope = NextScope(random);
        PatchGrid[] grids = [.. Enumerable.Range(0, random.Next(3) == 0 ? random.Next(2, 5) : 1).Select(_ => Grid())];
        if (random.Next(3) == 0)
            Array.Fill(grids, grids[0]);
        float[]? logSigma = scope.Prior != ScopePrior.Gaussian || random.Next(2) == 0 ? null
            : [.. new[] { scope.Sigma!.Value.Rows, scope.Sigma.Value.Columns }
                .Select(sigma => (float)(Math.Log(sigma) + random.NextDouble() - 0.5))];
        return new AttentionCase(scope, new QueryGrid(NextOf(random, s_queryExtents), NextOf(random, s_queryExtents)),
            NextOf(random, s_headSizes), grids, logSigma, Math.Exp(3 * random.NextDouble()), seed);

        PatchGrid Grid() => random.Next(8) switch
        {
            0 => new PatchGrid(1, 101),
            1 => new PatchGrid(103, 1),
            _ => new PatchGrid(NextOf(random, s_extents), NextOf(random, s_extents)),
        };
    }

    public override string ToString() => $"{Scope.Prior} window {Scope.Window} sigma {Scope.Sigma} {Scope.Border} " +
        $"{Scope.Units}, log sigma {(LogSigma is null ? "none" : string.Join(" ", LogSigma))}, queries " +
        $"{Config.QueryGrid}, d {HeadSize}, grids {string.Join(", ", Grids)}";

    private static ScopeConfig NextScope(Random random)
    {
        ScopePrior prior = (ScopePrior)random.Next(3);
        ScopeUnits units = (ScopeUnits)random.Next(2);
        bool hasWindow = prior == ScopePrior.Window || (prior == ScopePrior.Gaussian && random.Next(2) == 0);
        return new ScopeConfig
        {
            Name = "drawn",
            Prior = prior,
            Units = units,
            Border = hasWindow ? (WindowBorder)random.Next(2) : WindowBorder.Clip,
            Window = !hasWindow ? null : units == ScopeUnits.Patches
                ? new AxisPair(random.Next(1, 30), random.Next(1, 12))
                : new AxisPair(0.01 + (1.2 * random.NextDouble()), 0.01 + (1.2 * random.NextDouble())),
            Sigma = prior != ScopePrior.Gaussian ? null : units == ScopeUnits.Patches
                ? new AxisPair(0.5 + (6 * random.NextDouble()), 0.5 + (6 * random.NextDouble()))
                : new AxisPair(0.1 + random.NextDouble(), 0.1 + random.NextDouble()),
        };
    }

    private static T NextOf<T>(Random random, T[] choices) => choices[random.Next(choices.Length)];

    private static float[] Values(Random random, int count, double scale)
        => [.. Enumerable.Range(0, count).Select(_ => (float)(scale * ((2 * random.NextDouble()) - 1)))];
}
