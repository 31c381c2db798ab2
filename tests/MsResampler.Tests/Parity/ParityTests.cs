using MsResampler.Cpu;
using MsResampler.Reference;

namespace MsResampler.Tests.Parity;

/// <summary>The engine on every supported instruction set, compared with the double-precision reference over random
/// configurations.</summary>
[Parallelizable(ParallelScope.All)]
public class ParityTests
{
    private const int CaseCount = 320;
    private const int GroupCaseCount = 128;

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
                Assert.That(explanation.Tokens.SequenceEqual(tokens.AsSpan(tokens.Length - tokenLength)),
                    $"tokens of the explanation, {where}");
                AssertClose(explanation.Gate, expected[^1].Gate, $"gate of the last image, {where}");
                for (int scope = 0; scope < @case.Config.Scopes.Count; scope++)
                    for (int head = 0; head < @case.Config.AttentionHeadCount; head++)
                        AssertClose(explanation.Attention(scope, head), expected[^1].Attention(scope, head),
                            $"attention of the last image, scope {scope}, head {head}, {where}");
            }
        }
    }

    [Test]
    public void Groups_of_frames_agree_with_the_reference(
        [Range(RandomCase.FirstGroupCase, RandomCase.FirstGroupCase + GroupCaseCount - 1)] int caseIndex)
    {
        RandomCase @case = new(caseIndex);
        using TestModel model = new(@case.Config, @case.Options, seed: (ulong)caseIndex);
        int tokenLength = @case.Config.QueryGrid.QueryCount * @case.Config.OutputSize;
        float[][] frames = [.. @case.Grids.Select((grid, frame) => model.RandomFeatures(grid, caseIndex + frame))];
        ReferenceExplanation[] expected = [.. Enumerable.Range(0, @case.FrameCounts.Length).Select(group =>
            model.Reference.Explain([.. frames[@case.FramesOf(group)].SelectMany(values => values)],
                @case.Grids[@case.FramesOf(group)], @case.TemporalIds[@case.FramesOf(group)]))];
        Range last = @case.FramesOf(@case.FrameCounts.Length - 1);

        using (Assert.EnterMultipleScope())
        {
            foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
            {
                string where = $"{variant}, {@case}";
                using ModelEngine engine = variant.Create(model.Model, new ResamplerOptions());
                float[] tokens = new float[expected.Length * tokenLength];
                engine.Resample([.. frames.SelectMany(values => values)],
                    new FrameGroups(@case.Grids, @case.TemporalIds, @case.FrameCounts), tokens, CancellationToken.None);
                for (int group = 0; group < expected.Length; group++)
                    AssertClose(tokens.AsSpan(group * tokenLength, tokenLength), expected[group].Tokens,
                        $"tokens of group {group}, {where}");

                Explanation explanation = engine.Explain([.. frames[last].SelectMany(values => values)],
                    new FrameGroups(@case.Grids[last], @case.TemporalIds[last], [@case.FrameCounts[^1]]));
                Assert.That(explanation.Tokens.SequenceEqual(tokens.AsSpan(tokens.Length - tokenLength)),
                    $"tokens of the explanation, {where}");
                AssertClose(explanation.Gate, expected[^1].Gate, $"gate of the last group, {where}");
                for (int scope = 0; scope < @case.Config.Scopes.Count; scope++)
                    for (int head = 0; head < @case.Config.AttentionHeadCount; head++)
                        AssertClose(OfFrames(frame => explanation.Attention(scope, head, frame).ToArray()),
                            OfFrames(frame => expected[^1].Attention(scope, head, frame)),
                            $"attention of the last group, scope {scope}, head {head}, {where}");
            }
        }

        // All frames together, because the share of one can be almost 0.
        T[] OfFrames<T>(Func<int, T[]> attention)
            => [.. Enumerable.Range(0, @case.FrameCounts[^1]).SelectMany(attention)];
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

    [Test]
    public void The_cases_with_groups_cover_every_option()
    {
        RandomCase[] cases = [.. Enumerable.Range(RandomCase.FirstGroupCase, GroupCaseCount)
            .Select(index => new RandomCase(index))];
        PositionEmbeddingType[] types = Enum.GetValues<PositionEmbeddingType>();
        // Frames of unequal grids, where what one softmax removes differs between frames.
        RandomCase[] unequal = [.. cases.Where(@case => Enumerable.Range(0, @case.FrameCounts.Length)
            .Any(group => @case.Grids[@case.FramesOf(group)].Distinct().Count() > 1))];

        using (Assert.EnterMultipleScope())
        {
            AssertAll(cases.SelectMany(@case => @case.FrameCounts), [1, 2, 3, 4, 5]);
            AssertAll(cases.Select(@case => @case.FrameCounts.Length), [1, 2, 3]);
            AssertAll(cases.Select(@case => @case.IsLarge), [false, true]);
            AssertAll(cases.SelectMany(@case => @case.TemporalIds).Select(id => Math.Min(id, 1_000)),
                [-1, 0, 1, 7, 1_000]);
            AssertAll(cases.Select(@case => @case.Config.PositionEmbedding),
                [
                    .. from keys in types
                       from queries in types
                       from frames in Enum.GetValues<FrameEmbeddingType>()
                       select new PositionEmbeddingConfig(keys, queries, frames),
                ]);
            AssertAll(unequal.Select(@case => @case.Config.PositionEmbedding.Queries), types);
            AssertAll(unequal.SelectMany(@case => @case.Config.Scopes.Select((scope, index) =>
                (scope.Prior, scope.Units, @case.Options.LearnedSigmaScopes.Contains(index)))),
                [
                    .. from units in Enum.GetValues<ScopeUnits>()
                       from scope in new[] { (ScopePrior.None, false), (ScopePrior.Window, false),
                           (ScopePrior.Gaussian, false), (ScopePrior.Gaussian, true) }
                       select (scope.Item1, units, scope.Item2),
                ]);
            AssertAll(unequal.Select(@case => @case.Config.Gate?.Granularity),
                [null, GateGranularity.Token, GateGranularity.Head]);
        }
    }

    private static void AssertAll<T>(IEnumerable<T> seen, T[] wanted)
        => Assert.That(wanted.Except(seen), Is.Empty, $"values of {typeof(T)} that no case has");
}
