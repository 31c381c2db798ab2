using MsResampler.Reference;

namespace MsResampler.Tests.Parity;

/// <summary>Groups of frames with random features.</summary>
/// <param name="Model">The model.</param>
/// <param name="Groups">The grid and the temporal id of each frame of each group.</param>
internal sealed record FrameGroupCase(TestModel Model, (PatchGrid Grid, int TemporalId)[][] Groups)
{
    /// <summary>Images as groups of one; equal and unequal grids; more frames than one; ids that are absent, 0,
    /// repeated and large.</summary>
    public static (PatchGrid Grid, int TemporalId)[][] Ragged { get; } =
    [
        [(new(5, 4), 7)],
        [(new(3, 7), 0), (new(6, 2), 1), (new(5, 5), 5)],
        [(new(4, 4), -1), (new(4, 4), 72000)],
        [(new(1, 1), -1)],
        [(new(1, 30), 3), (new(8, 1), -1), (new(2, 2), 0), (new(7, 9), 72000), (new(2, 2), 600)],
    ];

    private int TokenCount => Model.Model.Config.QueryGrid.QueryCount * Model.Model.Config.OutputSize;

    /// <summary>The features of the frames of a group, which depend on the group alone.</summary>
    public float[] Features(int group) => [.. Groups[group].SelectMany((frame, index)
        => Model.RandomFeatures(frame.Grid, (31 * (int)frame.Grid.PatchCount) + (7 * frame.TemporalId) + index))];

    /// <summary>The tokens of the given groups in one call.</summary>
    public float[][] Resample(ModelEngine engine, params int[] groups) => Resample(engine, [], groups);

    /// <summary>The tokens and gate weights of the given groups in one call.</summary>
    public (float[][] Tokens, float[][] Gate) ResampleWithGate(ModelEngine engine, params int[] groups)
    {
        ResamplerConfig config = Model.Model.Config;
        int gateCount = config.QueryGrid.QueryCount * config.Scopes.Count * config.GateGroupCount;
        float[] gate = new float[groups.Length * gateCount];
        return (Resample(engine, gate, groups), [.. gate.Chunk(gateCount)]);
    }

    public Explanation Explain(ModelEngine engine, int group) => engine.Explain(Features(group), new FrameGroups(
        [.. Groups[group].Select(frame => frame.Grid)], [.. Groups[group].Select(frame => frame.TemporalId)],
        [Groups[group].Length]));

    public ReferenceExplanation Reference(int group) => Model.Reference.Explain(Features(group),
        [.. Groups[group].Select(frame => frame.Grid)], [.. Groups[group].Select(frame => frame.TemporalId)]);

    private float[][] Resample(ModelEngine engine, float[] gate, int[] groups)
    {
        float[] tokens = new float[groups.Length * TokenCount];
        engine.Resample([.. groups.SelectMany(Features)], new FrameGroups(
            [.. groups.SelectMany(group => Groups[group]).Select(frame => frame.Grid)],
            [.. groups.SelectMany(group => Groups[group]).Select(frame => frame.TemporalId)],
            [.. groups.Select(group => Groups[group].Length)]), tokens, gate, CancellationToken.None);
        return [.. tokens.Chunk(TokenCount)];
    }
}
