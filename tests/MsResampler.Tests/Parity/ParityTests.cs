using MsResampler.Cpu;
using MsResampler.Reference;

namespace MsResampler.Tests.Parity;

/// <summary>The engine on every supported instruction set, compared with the double-precision reference over random
/// configurations.</summary>
[Parallelizable(ParallelScope.All)]
public class ParityTests
{
    private const int CaseCount = 320;

    [Test]
    public void The_engine_agrees_with_the_reference([Range(0, CaseCount - 1)] int caseIndex)
    {
        RandomCase @case = new(caseIndex);
        using TestModel model = new(@case.Config, @case.Options, seed: (ulong)caseIndex);
        int tokenLength = @case.Config.QueryGrid.QueryCount * @case.Config.OutputSize;
        float[][] features = [.. @case.Grids.Select((grid, image) =>
            model.RandomFeatures(grid, caseIndex + image))];
        ReferenceExplanation[] expected = [.. features.Select((image, index) =>
            model.Reference.Explain(image, @case.Grids[index]))];
        float[] batch = [.. features.SelectMany(values => values)];

        using (Assert.EnterMultipleScope())
        {
            foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
            {
                string where = $"{variant}, {@case}";
                using ModelEngine engine = variant.Create(model.Model, new ResamplerOptions());
                float[] tokens = new float[features.Length * tokenLength];
                engine.Resample(batch, @case.Grids, tokens, CancellationToken.None);
                for (int image = 0; image < features.Length; image++)
                    AssertClose(tokens.AsSpan(image * tokenLength, tokenLength), expected[image].Tokens,
                        $"tokens of image {image}, {where}");

                Explanation explanation = engine.Explain(features[^1], @case.Grids[^1]);
                AssertClose(explanation.Gate, expected[^1].Gate, $"gate of the last image, {where}");
                for (int scope = 0; scope < @case.Config.Scopes.Count; scope++)
                    for (int head = 0; head < @case.Config.AttentionHeadCount; head++)
                        AssertClose(explanation.Attention(scope, head), expected[^1].Attention(scope, head),
                            $"attention of the last image, scope {scope}, head {head}, {where}");
            }
        }
    }

    private static void AssertClose(ReadOnlySpan<float> actual, double[] expected, string what) => Assert.That(
        Tolerances.RelativeError(actual, expected), Is.LessThanOrEqualTo(Tolerances.SinglePrecision), what);

    [Test]
    public void The_cases_cover_every_option()
    {
        RandomCase[] cases = [.. Enumerable.Range(0, CaseCount).Select(index => new RandomCase(index))];
        ScopeConfig[] scopes = [.. cases.SelectMany(@case => @case.Config.Scopes)];
        ScopeConfig[] windowed = [.. scopes.Where(scope => scope.Window is not null)];
        ScopeConfig[] gaussian = [.. scopes.Where(scope => scope.Prior == ScopePrior.Gaussian)];

        using (Assert.EnterMultipleScope())
        {
            AssertAll(cases.Select(@case => @case.Config.Scopes.Count), [1, 2, 3, 4, 5]);
            AssertAll(cases.Select(@case => @case.Grids.Length), [1, 2, 3, 4]);
            AssertAll(cases.Select(@case => @case.IsLarge), [false, true]);
            AssertAll(cases.Select(@case => @case.Options.Type), RandomCase.WeightTypes);
            AssertAll(cases.Select(@case => @case.Options.StackInputProjections), [false, true]);
            AssertAll(cases.Select(@case => @case.Options.OmitKeyValueInput), [false, true]);
            AssertAll(cases.Select(@case => @case.Options.HasProjectionBias), [false, true]);
            AssertAll(cases.Select(@case => @case.Options.UsePublishedNames), [false, true]);
            AssertAll(cases.Select(@case => @case.Options.Prefix.Length > 0), [false, true]);
            AssertAll(
                cases.Where(@case => @case.Config.Scopes.Count > 1)
                    .Select(@case => (@case.Config.ShareQueries, @case.Config.ShareKeyValues)),
                [(false, false), (false, true), (true, false), (true, true)]);
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
            AssertAll(
                windowed.Select(scope => (scope.Prior, scope.Border, scope.Units)),
                [
                    .. from prior in Enum.GetValues<ScopePrior>().Except([ScopePrior.None])
                       from border in Enum.GetValues<WindowBorder>()
                       from units in Enum.GetValues<ScopeUnits>()
                       select (prior, border, units),
                ]);
            AssertAll(gaussian.Select(scope => scope.Window is null), [false, true]);
            AssertAll(scopes.Select(scope => scope.Prior), Enum.GetValues<ScopePrior>());
            AssertAll(
                cases.SelectMany(@case => @case.Config.Scopes.Select((scope, index) =>
                    (scope.Prior, scope.Units, @case.Options.LearnedSigmaScopes.Contains(index)))),
                [
                    .. from units in Enum.GetValues<ScopeUnits>()
                       from isLearned in new[] { false, true }
                       select (ScopePrior.Gaussian, units, isLearned),
                ]);
            AssertAll(
                cases.SelectMany(@case => @case.Grids.Select(grid => (@case.Config.QueryGrid.Rows > grid.Rows,
                    @case.Config.QueryGrid.Columns > grid.Columns))),
                [(false, false), (false, true), (true, false), (true, true)]);
            AssertAll(cases.SelectMany(@case => @case.Grids),
                [new PatchGrid(1, 1), new PatchGrid(1, 61), new PatchGrid(67, 1), new PatchGrid(24, 24)]);
        }
    }

    private static void AssertAll<T>(IEnumerable<T> seen, T[] wanted)
        => Assert.That(wanted.Except(seen), Is.Empty, $"values of {typeof(T)} that no case has");
}
