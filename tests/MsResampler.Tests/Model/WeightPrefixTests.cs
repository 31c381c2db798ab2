using System.Diagnostics;
using MsResampler.Safetensors;
using static MsResampler.Tests.Model.BoundWeights;

namespace MsResampler.Tests.Model;

/// <summary>The prefix of tensor names, and the name parts that training wrappers add.</summary>
public class WeightPrefixTests
{
    [TestCase("")]
    [TestCase("resampler.")]
    [TestCase("model.vision.resampler.")]
    [TestCase("attn.")]
    public void A_prefix_is_detected(string prefix)
        => Assert.That(Prefix(GatedConfig, Tensors(GatedConfig, new() { Prefix = prefix })), Is.EqualTo(prefix));

    [Test]
    public void A_prefix_is_detected_among_the_tensors_of_a_whole_model()
    {
        List<TensorToWrite> tensors = Tensors(SingleConfig, new() { Prefix = "resampler." });
        for (int layer = 0; layer < 40; layer++)
        {
            foreach (string name in new[] { "q_proj", "k_proj", "v_proj", "out_proj" })
                tensors.Add(Zeros($"vpm.encoder.layers.{layer}.self_attn.{name}.weight", 2, 2));
            tensors.Add(Zeros($"vision.layers.{layer}.attn.q_proj.weight", 2, 2));
            tensors.Add(Zeros($"vision.layers.{layer}.attn.out_proj.weight", 2, 2));
        }

        tensors.Add(TensorToWrite.FromBytes("vpm.position_ids", TensorType.I64, [1], new byte[8]));

        Assert.That(Prefix(SingleConfig, tensors), Is.EqualTo("resampler."));
    }

    [Test]
    public void Two_equally_good_prefixes_are_rejected()
    {
        List<TensorToWrite> tensors = [.. Tensors(GatedConfig, new() { Prefix = "a." }),
            .. Tensors(GatedConfig, new() { Prefix = "b.c." })];

        Assert.That(Problems(GatedConfig, tensors),
            Is.EqualTo(new[] { "tensor names: expected one resampler, found two " +
            "that fit equally well, under 'a.' and 'b.c.'" }));
    }

    [Test]
    public void The_more_complete_of_two_prefixes_is_used()
    {
        List<TensorToWrite> tensors = [.. Tensors(GatedConfig, new() { Prefix = "a." }).Skip(1),
            .. Tensors(GatedConfig, new() { Prefix = "b.c." })];

        Assert.That(Prefix(GatedConfig, tensors), Is.EqualTo("b.c."));
    }

    [Test]
    public void Scopes_that_the_model_lacks_do_not_favour_a_prefix()
    {
        // More tensors of each than the model has.
        List<TensorToWrite> tensors = Tensors(GatedConfig, new() { Prefix = "resampler." });
        for (int scope = GatedConfig.Scopes.Count; scope < 60; scope++)
            tensors.Add(Zeros($"beyond.scopes.{scope}.query", 1));
        for (int zeros = 1; zeros < 20; zeros++)
            foreach (string role in new[] { "query", "log_sigma", "attn.q_proj.weight", "attn.k_proj.weight" })
                tensors.Add(Zeros($"padded.scopes.{new string('0', zeros)}1.{role}", 1));

        Assert.That(Prefix(GatedConfig, tensors), Is.EqualTo("resampler."));
    }

    [Test]
    public void A_name_with_an_ambiguous_prefix_is_not_two_resamplers()
        => Assert.That(Problems(SingleConfig, [Zeros("scopes.0.attn.out_proj.weight", 24, 24)]),
            Has.None.StartsWith("tensor names:"));

    [Test]
    public void Without_a_prefix_foreign_tensors_are_rejected()
        => Assert.That(Problems(GatedConfig, [.. Tensors(GatedConfig), Zeros("vpm.weight", 2)]), Is.EqualTo(new[] {
            "tensor 'vpm.weight': this configuration does not use it; found F32 [2]" }));

    [TestCase("module.", "", "")]
    [TestCase("_orig_mod.", "", "")]
    [TestCase("module._orig_mod.", "", "")]
    [TestCase("_orig_mod.module._orig_mod.", "", "")]
    [TestCase("_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "")]
    [TestCase("module.resampler.", "", "resampler.")]
    [TestCase("resampler._orig_mod.", "", "resampler.")]
    [TestCase("model.module.vision.resampler.", "_orig_mod.", "model.vision.resampler.")]
    public void Name_parts_that_wrappers_add_are_ignored(string outer, string inner, string prefix)
    {
        // The inner part is in the middle of only some of the names, and before the last part of others.
        List<TensorToWrite> tensors = Rename(GatedConfig, name => outer + name
            .Replace("scopes.1.", $"scopes.1.{inner}", StringComparison.Ordinal)
            .Replace("attn.k_proj.", $"attn.{inner}k_proj.{inner}", StringComparison.Ordinal)
            .Replace("scopes.0.", $"{inner}scopes.0.", StringComparison.Ordinal));

        Assert.That(Prefix(GatedConfig, tensors), Is.EqualTo(prefix));
        Assert.That(Tokens(GatedConfig, tensors), Is.EqualTo(Tokens(GatedConfig, Tensors(GatedConfig))));
    }

    [Test]
    public void Names_that_differ_only_by_wrappers_are_rejected()
    {
        List<TensorToWrite> tensors =
            [.. Tensors(GatedConfig), Zeros("module.query", 6, 24), Zeros("gate._orig_mod.fc1.bias", 7)];

        Assert.That(Problems(GatedConfig, tensors), Is.EquivalentTo(new[]
        {
            "tensor 'query': expected one tensor of this name, found 'module.query' and 'query', which differ only " +
                "in the parts that wrapper modules add",
            "tensor 'gate.fc1.bias': expected one tensor of this name, found 'gate._orig_mod.fc1.bias' and " +
                "'gate.fc1.bias', which differ only in the parts that wrapper modules add",
        }));
    }

    [Test]
    public void Foreign_names_that_differ_only_by_wrappers_are_ignored()
    {
        List<TensorToWrite> tensors = [.. Tensors(GatedConfig, new() { Prefix = "resampler." }),
            Zeros("llm.module.w", 1), Zeros("llm.w", 1)];

        Assert.That(Prefix(GatedConfig, tensors), Is.EqualTo("resampler."));
    }

    [Test]
    public void Very_long_names_are_processed_in_linear_time()
    {
        string endless = string.Concat(Enumerable.Repeat("a.", 1_000_000));
        List<TensorToWrite> tensors = [.. Tensors(GatedConfig, new() { Prefix = "resampler." }),
            Zeros(endless + "query", 1), Zeros(endless + "module.x", 1)];

        Stopwatch watch = Stopwatch.StartNew();
        Assert.That(Prefix(GatedConfig, tensors), Is.EqualTo("resampler."));
        Assert.That(watch.Elapsed, Is.LessThan(TimeSpan.FromSeconds(10)), "a scan for each part would take hours");
    }
}
