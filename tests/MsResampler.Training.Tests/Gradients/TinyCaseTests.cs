namespace MsResampler.Training.Tests.Gradients;

/// <summary>The cases of <see cref="GradientTests"/> cover what a model can have.</summary>
internal sealed class TinyCaseTests
{
    private static readonly TinyCase[] s_cases =
        [.. Enumerable.Range(0, TinyCase.Count).Select(index => new TinyCase(index))];

    private static readonly (string Words, Func<TinyCase, bool> Holds)[] s_features =
    [
        ("every element compared", drawn => drawn.CreateModel().Tensors.Sum(tensor => tensor.ElementCount)
            <= GradientTests.MaxCompleteCount),
        ("one scope", drawn => drawn.Config.Scopes.Count == 1),
        ("four scopes", drawn => drawn.Config.Scopes.Count == 4),
        ("shared keys and values of several scopes", drawn => IsGated(drawn) && drawn.Config.ShareKeyValues),
        ("own keys and values of several scopes", drawn => IsGated(drawn) && !drawn.Config.ShareKeyValues),
        ("shared queries of several scopes", drawn => IsGated(drawn) && drawn.Config.ShareQueries),
        ("own queries of several scopes", drawn => IsGated(drawn) && !drawn.Config.ShareQueries),
        ("a gate per token", drawn => drawn.Config.Gate?.Granularity == GateGranularity.Token),
        ("a gate per head", drawn => drawn.Config.GateGroupCount > 1),
        ("no kv_proj", drawn => drawn.Options.OmitKeyValueInput),
        ("no proj.bias", drawn => !drawn.Options.HasProjectionBias),
        ("several images", drawn => drawn.FrameCounts.Length == 0 && drawn.Grids.Length > 1),
        ("groups of unequal frames", IsUneven),
        ("times in a group of several frames", drawn => drawn.FrameCounts.Any(count => count > 1)
            && drawn.Config.PositionEmbedding.Frames == FrameEmbeddingType.SinCos1D
            && drawn.TemporalIds.Any(id => id >= 0)),
        ("anchored queries in a group of unequal frames", drawn => IsUneven(drawn)
            && drawn.Config.PositionEmbedding.Queries == PositionEmbeddingType.SinCos2D),
        ("a learned sigma in a group of unequal frames",
            drawn => IsUneven(drawn) && drawn.Options.LearnedSigmaScopes.Count > 0),
        .. from type in Enum.GetValues<PositionEmbeddingType>()
           from side in (string[])["keys", "queries"]
           select ($"{type} positions of {side}", (Func<TinyCase, bool>)(drawn => type == (side == "keys"
               ? drawn.Config.PositionEmbedding.Keys : drawn.Config.PositionEmbedding.Queries))),
        .. from prior in Enum.GetValues<ScopePrior>()
           from units in Enum.GetValues<ScopeUnits>()
           from border in Enum.GetValues<WindowBorder>()
           where prior != ScopePrior.None || border == WindowBorder.Clip
           select ($"{prior} in {units} with {border}", (Func<TinyCase, bool>)(drawn => drawn.Config.Scopes.Any(scope
               => scope.Prior == prior && scope.Units == units && scope.Border == border))),
        .. from units in Enum.GetValues<ScopeUnits>()
           from isLearned in (bool[])[false, true]
           select ($"{(isLearned ? "learned" : "fixed")} sigma in {units}", (Func<TinyCase, bool>)(drawn
               => drawn.Config.Scopes.Index().Any(scope => scope.Item.Prior == ScopePrior.Gaussian
                   && scope.Item.Units == units
                   && drawn.Options.LearnedSigmaScopes.Contains(scope.Index) == isLearned))),
    ];

    private static IEnumerable<TestCaseData> Features => s_features.Select(feature
        => new TestCaseData(feature.Holds).SetArgDisplayNames(feature.Words));

    [TestCaseSource(nameof(Features))]
    public void At_least_ten_cases_have(Func<TinyCase, bool> holds)
    {
        int count = s_cases.Count(holds);
        TestContext.Out.WriteLine(count);
        Assert.That(count, Is.AtLeast(10));
    }

    private static bool IsGated(TinyCase drawn) => drawn.Config.Scopes.Count > 1;

    private static bool IsUneven(TinyCase drawn) => Enumerable.Range(0, drawn.FrameCounts.Length)
        .Any(group => drawn.Groups.GridsOf(group).ContainsAnyExcept(drawn.Groups.GridsOf(group)[0]));
}
