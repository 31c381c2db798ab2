namespace MsResampler.Tests.Onnx;

/// <summary>The exported graph in ONNX Runtime, compared with the engine: two implementations that share neither code
/// nor kernels.</summary>
[Parallelizable(ParallelScope.All)]
public class OnnxParityTests
{
    private const int CaseCount = 48;

    [Test]
    public void The_exported_graph_agrees_with_the_engine(
        [Range(0, CaseCount - 1)] int caseIndex, [Values(1, 3)] int batch)
    {
        RandomCase @case = new(caseIndex);
        using TestModel model = new(@case.Config, @case.Options, seed: (ulong)caseIndex);
        using (Assert.EnterMultipleScope())
        {
            foreach (PatchGrid grid in @case.Grids)
            {
                float[] features =
                    [.. Enumerable.Range(0, batch).SelectMany(image => model.RandomFeatures(grid, image))];
                int tokenLength = @case.Config.QueryGrid.QueryCount * @case.Config.OutputSize;
                float[] expected = new float[batch * tokenLength];
                model.Engine.Resample(features, [.. Enumerable.Repeat(grid, batch)], expected);

                using OnnxRun graph = OnnxRun.Of(model.Model, grid);
                float[] actual = graph.Tokens(features, batch, grid, @case.Config.VisionHiddenSize);

                Assert.That(Tolerances.RelativeError(actual, [.. expected.Select(value => (double)value)]),
                    Is.LessThanOrEqualTo(Tolerances.TwoSinglePrecisions), $"{grid} of {@case}");
            }
        }
    }

    /// <summary>Keys and queries with positions of different types.</summary>
    [Test]
    public void Positions_by_side_agree_with_the_engine([Values] PositionEmbeddingType keys,
        [Values] PositionEmbeddingType queries)
    {
        ResamplerConfig config = Configs.Mixed with { PositionEmbedding = new(keys, queries) };
        using TestModel model = new(config);
        using (Assert.EnterMultipleScope())
        {
            foreach (PatchGrid grid in new PatchGrid[] { new(5, 7), new(3, 2) })
            {
                float[] features = model.RandomFeatures(grid, 1);
                double[] expected = model.Reference.Resample(features, grid);
                using OnnxRun graph = OnnxRun.Of(model.Model, grid);

                float[] actual = graph.Tokens(features, 1, grid, config.VisionHiddenSize);

                Assert.That(Tolerances.RelativeError(actual, expected),
                    Is.LessThanOrEqualTo(Tolerances.SinglePrecision), $"{grid}");
            }
        }
    }

    [Test]
    public void The_cases_cover_everything_that_the_graph_depends_on()
    {
        RandomCase[] cases = [.. Enumerable.Range(0, CaseCount).Select(index => new RandomCase(index))];
        ScopeConfig[] scopes = [.. cases.SelectMany(@case => @case.Config.Scopes)];

        using (Assert.EnterMultipleScope())
        {
            AssertAll(cases.Select(@case => @case.Config.Scopes.Count), [1, 2, 3, 4, 5]);
            AssertAll(cases.Select(@case => @case.Config.ShareQueries), [false, true]);
            AssertAll(
                cases.Where(@case => @case.Config.Scopes.Count > 1).Select(@case => @case.Config.ShareKeyValues),
                [false, true]);
            AssertAll(cases.Select(@case => @case.Config.Gate?.Granularity),
                [null, GateGranularity.Token, GateGranularity.Head]);
            AssertAll(cases.Select(@case => @case.Config.PositionEmbedding)
                .Select(position => (position.Keys, position.Queries)),
                [
                    (PositionEmbeddingType.None, PositionEmbeddingType.None),
                    .. from type in new[] { PositionEmbeddingType.SinCos2D, PositionEmbeddingType.Stored }
                       from sides in new[] { (type, PositionEmbeddingType.None), (PositionEmbeddingType.None, type),
                           (type, type) }
                       select sides,
                ]);
            AssertAll(cases.Select(@case => @case.Options.OmitKeyValueInput), [false, true]);
            AssertAll(cases.Select(@case => @case.Options.HasProjectionBias), [false, true]);
            AssertAll(cases.Select(@case => @case.Options.UsePublishedNames), [false, true]);
            AssertAll(scopes.Select(scope => scope.Prior), Enum.GetValues<ScopePrior>());
            AssertAll(
                scopes.Where(scope => scope.Window is not null)
                    .Select(scope => (scope.Prior, scope.Border, scope.Units)),
                [
                    .. from prior in Enum.GetValues<ScopePrior>().Except([ScopePrior.None])
                       from border in Enum.GetValues<WindowBorder>()
                       from units in Enum.GetValues<ScopeUnits>()
                       select (prior, border, units),
                ]);
            AssertAll(cases.SelectMany(@case => @case.Options.LearnedSigmaScopes.Select(scope =>
                @case.Config.Scopes[scope].Units)), Enum.GetValues<ScopeUnits>());
        }
    }

    private static void AssertAll<T>(IEnumerable<T> seen, T[] wanted)
        => Assert.That(wanted.Except(seen), Is.Empty, $"values of {typeof(T)} that no case has");
}
