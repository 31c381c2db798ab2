using MsResampler.Safetensors;
using static MsResampler.Tests.Model.BoundWeights;

namespace MsResampler.Tests.Model;

/// <summary>The tensors that a model requires, their shapes and their types.</summary>
public class WeightBinderTests
{
    [Test]
    public void Every_tensor_is_required_except_the_optional_ones()
    {
        List<TensorToWrite> tensors = Tensors(GatedConfig, new() { LearnedSigmaScopes = [0] });
        string[] optional = ["proj.bias", "scopes.0.log_sigma"];

        foreach (TensorToWrite missing in tensors)
        {
            List<TensorToWrite> rest = [.. tensors.Where(tensor => tensor != missing)];
            if (optional.Contains(missing.Name))
                Assert.That(() => Prefix(GatedConfig, rest), Throws.Nothing, missing.Name);
            else
                Assert.That(Problems(GatedConfig, rest),
                    Is.EqualTo(new[] { $"tensor '{missing.Name}': expected shape " +
                    $"[{string.Join(", ", missing.Shape)}], found no such tensor" }));
        }
    }

    [Test]
    public void Every_shape_is_checked()
    {
        List<TensorToWrite> tensors = Tensors(GatedConfig, new() { LearnedSigmaScopes = [0] });

        foreach (TensorToWrite tensor in tensors)
        {
            long[] shape = [.. tensor.Shape, 1];
            Assert.That(Problems(GatedConfig, Replace(tensors, Zeros(tensor.Name, shape))),
                Is.EqualTo(new[] { $"tensor '{tensor.Name}': expected shape [{string.Join(", ", tensor.Shape)}], " +
                    $"found [{string.Join(", ", shape)}]" }));
        }
    }

    [Test]
    public void A_transposed_matrix_has_the_wrong_shape()
    {
        List<TensorToWrite> tensors = Replace(Tensors(GatedConfig), Zeros("kv_proj.weight", 12, 24));

        Assert.That(Problems(GatedConfig, tensors),
            Is.EqualTo(new[] { "tensor 'kv_proj.weight': expected shape [24, 12], found [12, 24]" }));
    }

    [Test]
    public void All_problems_are_in_one_error()
    {
        List<TensorToWrite> tensors = [.. Tensors(GatedConfig).Where(tensor => tensor.Name != "ln_q.bias")];
        tensors = Replace(tensors, Zeros("query", 6, 23));
        tensors = Replace(tensors, TensorToWrite.FromBytes("gate.fc1.bias", TensorType.I32, [7], new byte[28]));
        tensors.Add(Zeros("scopes.2.attn.q_proj.weight", 24, 24));

        Assert.That(Problems(GatedConfig, tensors), Is.EquivalentTo(new[]
        {
            "tensor 'ln_q.bias': expected shape [24], found no such tensor",
            "tensor 'query': expected shape [6, 24], found [6, 23]",
            "tensor 'gate.fc1.bias': expected type F32, F16, BF16 or F64, found I32",
            "tensor 'scopes.2.attn.q_proj.weight': this configuration does not use it; " +
                "found F32 [24, 24]",
        }));
    }

    [Test]
    public void A_checkpoint_without_known_names_lacks_every_tensor()
    {
        IReadOnlyList<string> problems = Problems(GatedConfig, [Zeros("x", 1)]);

        IEnumerable<string> needed = Tensors(GatedConfig, new() { HasProjectionBias = false })
            .Select(tensor => $"tensor '{tensor.Name}': expected shape [{string.Join(", ", tensor.Shape)}], " +
                "found no such tensor");
        Assert.That(problems, Is.EquivalentTo(needed.Append(
            "tensor 'x': this configuration does not use it; found F32 [1]")));
    }

    [Test]
    public void Shared_keys_and_values_exist_only_for_the_first_scope([Values("k_proj", "v_proj")] string name)
    {
        ResamplerConfig config = GatedConfig with { ShareKeyValues = true };
        TensorToWrite stray = Zeros($"scopes.1.attn.{name}.weight", 24, 24);

        Assert.That(() => Prefix(config, Tensors(config)), Throws.Nothing);
        Assert.That(Problems(config, [.. Tensors(config), stray]), Is.EqualTo(new[] {
            $"tensor '{stray.Name}': this configuration does not use it; found F32 [24, 24]" }));
    }

    [Test]
    public void Shared_queries_exist_only_once() => Assert.That(
        Problems(GatedConfig, [.. Tensors(GatedConfig), Zeros("scopes.0.query", 6, 24)]).Single(),
        Does.StartWith("tensor 'scopes.0.query': this configuration does not use it"));

    [Test]
    public void A_learned_sigma_needs_a_Gaussian() => Assert.That(
        Problems(GatedConfig, [.. Tensors(GatedConfig), Zeros("scopes.1.log_sigma", 3, 2)]).Single(),
        Does.StartWith("tensor 'scopes.1.log_sigma': this configuration does not use it"));

    [Test]
    public void One_scope_has_no_gate_tensors() => Assert.That(
        Problems(SingleConfig, [.. Tensors(SingleConfig), Zeros("gate.fc1.bias", 7)]).Single(),
        Does.StartWith("tensor 'gate.fc1.bias': this configuration does not use it"));

    [Test]
    public void Stacked_and_separate_projections_together_are_rejected()
    {
        List<TensorToWrite> tensors = Tensors(GatedConfig, new() { StackInputProjections = true });
        tensors.Add(Zeros("scopes.1.attn.q_proj.weight", 24, 24));

        Assert.That(Problems(GatedConfig, tensors).Single(),
            Does.StartWith("tensor 'scopes.1.attn.q_proj.weight': this configuration does not use it"));
    }

    [Test]
    public void A_stacked_projection_must_have_three_parts()
    {
        List<TensorToWrite> tensors = Replace(Tensors(GatedConfig, new() { StackInputProjections = true }),
            Zeros("scopes.0.attn.in_proj_weight", 48, 24));

        Assert.That(Problems(GatedConfig, tensors),
            Is.EqualTo(new[] { "tensor 'scopes.0.attn.in_proj_weight': expected shape [72, 24], found [48, 24]" }));
    }

    [Test]
    public void Kv_proj_may_be_omitted_only_if_it_can_be_the_identity()
    {
        ResamplerConfig square = GatedConfig with { VisionHiddenSize = 24 };
        List<TensorToWrite> tensors = Tensors(square, new() { OmitKeyValueInput = true });

        Assert.That(Open(square, tensors, model => model.Weights.KeyValueInput is null), Is.True);
        Assert.That(Problems(GatedConfig, tensors),
            Is.EqualTo(new[] { "tensor 'kv_proj.weight': expected shape [24, 12], found no such tensor" }));
    }

    [TestCase("rotary_emb.inv_freq")]
    [TestCase("position_ids")]
    [TestCase("attn.num_batches_tracked")]
    [TestCase("scopes.0.attn.running_mean")]
    [TestCase("module.total_ops")]
    public void Unused_buffers_are_ignored_with_a_warning(string name)
    {
        foreach (string prefix in new[] { "", "resampler." })
        {
            List<TensorToWrite> tensors = [.. Tensors(GatedConfig, new() { Prefix = prefix }),
                TensorToWrite.FromBytes(prefix + name, TensorType.I64, [2], new byte[16])];

            Assert.That(Warnings(GatedConfig, tensors), Is.EqualTo(new[] {
                $"tensor '{prefix}{name}' was ignored: a buffer that this model does not use" }));
        }
    }

    [Test]
    public void A_buffer_may_have_any_values()
    {
        List<TensorToWrite> tensors = [.. Tensors(GatedConfig),
            new TensorToWrite("attention_mask", TensorType.F32, [1], new[] { float.NegativeInfinity })];

        Assert.That(Warnings(GatedConfig, tensors), Has.Count.EqualTo(1));
    }
}
