namespace MsResampler.Tests.Parity;

/// <summary>Sound is a grid of one row: the steps of a recording, with windows [1, w].</summary>
public class SoundTests
{
    private static readonly PatchGrid s_steps = new(1, 1_500);

    /// <summary>Narrow and wide windows, at both borders, a Gaussian, and a scope that hears everything.</summary>
    private static readonly ResamplerConfig s_config = Configs.Of(Configs.Window(1, 3), Configs.Window(1, 64),
        Configs.Window(1, 200, WindowBorder.Shift), Configs.Gaussian(1, 40, new AxisPair(1, 300)), Configs.None) with
    {
        VisionHiddenSize = 48,
        HiddenSize = 64,
        AttentionHeadCount = 4,
        QueryGrid = new QueryGrid(1, 25),
        OutputSize = 33,
        PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.SinCos2D),
    };

    [Test]
    public void A_recording_agrees_with_the_reference_alone_and_in_a_batch()
    {
        using TestModel model = new(s_config);
        PatchGrid[] grids = [s_steps, new(1, 7), s_steps];
        float[][] recordings = [.. grids.Select((grid, index) => model.RandomFeatures(grid, index))];
        int length = s_config.QueryGrid.QueryCount * s_config.OutputSize;
        float[] tokens = new float[grids.Length * length];
        model.Engine.Resample(recordings.SelectMany(values => values).ToArray(), grids, tokens);
        using (Assert.EnterMultipleScope())
        {
            for (int index = 0; index < grids.Length; index++)
                Assert.That(Tolerances.RelativeError(tokens.AsSpan(index * length, length),
                    model.Reference.Resample(recordings[index], grids[index])),
                    Is.LessThanOrEqualTo(Tolerances.SinglePrecision), $"recording {index}");
        }
    }

    /// <summary>A query of a window [1, 3] hears the three steps around its place: 60 steps belong to each of 25
    /// queries, so query q is at step 60·q + 29.5.</summary>
    [Test]
    public void A_query_hears_the_steps_of_its_window()
    {
        using TestModel model = new(s_config);
        Explanation explanation = model.Engine.Explain(model.RandomFeatures(s_steps, 1), s_steps);
        float[] attention = explanation.Attention(scopeIndex: 0, headIndex: 0).ToArray();
        using (Assert.EnterMultipleScope())
        {
            for (int query = 0; query < 25; query++)
            {
                int[] heard = [.. Enumerable.Range(0, s_steps.Columns)
                    .Where(step => attention[(query * s_steps.Columns) + step] != 0)];
                int first = (60 * query) + (query < 13 ? 29 : 28);
                Assert.That(heard, Is.EqualTo(new[] { first, first + 1, first + 2 }), $"query {query}");
            }
        }
    }
}
