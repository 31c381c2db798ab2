namespace MsResampler.Training.Tests.Optimisation;

/// <summary>Patterns of names, and what they freeze.</summary>
internal sealed class NamePatternTests
{
    private static readonly string[] s_names =
        ["kv_proj.weight", "scopes.0.attn.q_proj.weight", "scopes.0.log_sigma", "scopes.12.log_sigma",
            "gate.fc1.weight", "gate.fc2.bias"];

    [TestCase("gate.*", "gate.fc1.weight", true)]
    [TestCase("gate.*", "gate.", true)]
    [TestCase("gate.*", "a.gate.fc1", false)]
    [TestCase("*", "anything", true)]
    [TestCase("scopes.*.log_sigma", "scopes.12.log_sigma", true)]
    [TestCase("scopes.*.log_sigma", "scopes.log_sigma", false)]
    [TestCase("*.weight", "x.weight.y", false)]
    [TestCase("a*b*c", "a1b2b3c", true)]
    [TestCase("a*b*c", "ac", false)]
    [TestCase("a*a", "a", false)]
    [TestCase("**", "", true)]
    [TestCase("gate", "gate", true)]
    [TestCase("gate", "gate.fc1", false)]
    [TestCase("ab*ba", "aba", false)]
    [TestCase("*aab", "aaab", true)]
    [TestCase("a*ab*b", "aabb", true)]
    [TestCase("a*ab*b", "aab", false)]
    public void A_star_stands_for_any_characters(string pattern, string name, bool expected)
        => Assert.That(NamePattern.Matches(pattern, name), Is.EqualTo(expected));

    [Test]
    public void Only_what_a_pattern_matches_is_trained()
    {
        TrainableTensor[] tensors = Create();
        NamePattern.TrainOnly(tensors, "gate.*", "scopes.*.log_sigma");
        Assert.That(tensors.Where(tensor => !tensor.IsFrozen).Select(tensor => tensor.Name),
            Is.EqualTo(s_names[2..]));
        NamePattern.Freeze(tensors, "gate.fc2.*");
        Assert.That(tensors.Where(tensor => !tensor.IsFrozen).Select(tensor => tensor.Name),
            Is.EqualTo(s_names[2..5]));
    }

    [Test]
    public void A_pattern_without_a_match_is_an_error_that_lists_names()
        => Assert.That(() => NamePattern.Freeze(Create(), "gates.*"), Throws.ArgumentException
            .With.Message.Contains("'gates.*'").And.Message.Contains(string.Join(", ", s_names)));

    private static TrainableTensor[] Create() => [.. s_names.Select(name => new TrainableTensor(name, [1], [1f]))];
}
