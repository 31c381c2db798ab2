using MsResampler.Cpu;
using MsResampler.Planning;

namespace MsResampler.Tests.Parity;

/// <summary>Models and features that produce rows of every size and offset in the layer normalisations, on every
/// instruction set, with projected and absorbed keys and values. The usual bound holds for all of them except those
/// that float32 products move far from zero.</summary>
public class NormalisationTests
{
    private static readonly PatchGrid s_grid = new(5, 6);

    private static ResamplerConfig Config(GateGranularity? granularity, int channelCount = 12) => Configs.Of(
        granularity is null ? [Configs.Gaussian(2, 1.5)]
            : [Configs.Window(2, 2), Configs.Gaussian(1.5, 2), Configs.None]) with
    {
        VisionHiddenSize = channelCount,
        HiddenSize = 64,
        AttentionHeadCount = 4,
        QueryGrid = new(3, 2),
        OutputSize = 40,
        Gate = granularity is { } value ? new GateConfig(33, value) : null,
    };

    private static void AssertAgreement(TestModel model, float[] features,
        double bound = Tolerances.SinglePrecision)
    {
        double[] expected = model.Reference.Resample(features, s_grid);
        float[] tokens = new float[expected.Length];
        using (Assert.EnterMultipleScope())
        {
            foreach (CpuVariant variant in CpuVariant.All.Where(variant => variant.IsSupported))
            {
                foreach (ScopeStrategy strategy in new[] { ScopeStrategy.All[0], ScopeStrategy.All[2] })
                {
                    using ModelEngine engine = variant.Create(model.Model, new() { ThreadCount = 1 }, _ => strategy);
                    engine.Resample(features, [s_grid], tokens, CancellationToken.None);
                    Assert.That(Tolerances.RelativeError(tokens, expected),
                        Is.LessThanOrEqualTo(bound), $"{variant}, {strategy}");
                }
            }
        }
    }

    // With kv_proj, sums of products near 3·10³⁸ would overflow and be an error. Without kv_proj the row is
    // normalised directly.
    [Test]
    public void Features_of_any_size_keep_the_bound(
        [Values(1e-38f, 1e-30f, 1e-19f, 1e-10f, 1, 1e10f, 1e18f, 1e19f, 1e30f, 1e37f)] float size,
        [Values] bool hasInput)
    {
        using TestModel model = new(Config(GateGranularity.Token, hasInput ? 12 : 64),
            new() { OmitKeyValueInput = !hasInput });

        AssertAgreement(model, [.. model.RandomFeatures(s_grid, 1).Select(value => value * size)]);
    }

    [Test]
    public void Features_far_from_zero_keep_the_bound(
        [Values(50, 1e3f, 4e4f, 1e5f)] float offset, [Values] bool hasInput)
    {
        using TestModel model = new(Config(GateGranularity.Token, hasInput ? 12 : 64),
            new() { OmitKeyValueInput = !hasInput });

        AssertAgreement(model, [.. model.RandomFeatures(s_grid, 1).Select(value => value + offset)]);
    }

    // Padding: some or all patches have the same value in every channel.
    [Test]
    public void Constant_patches_keep_the_bound([Values(0, 0.1f, 1.1f, 33.3f, 1000.1f, float.MaxValue)] float value,
        [Values] bool isAll)
    {
        using TestModel model = new(Config(GateGranularity.Head, 64), new() { OmitKeyValueInput = true });
        float[] features = model.RandomFeatures(s_grid, 1);
        features.AsSpan(0, isAll ? features.Length : 10 * 64).Fill(value);

        AssertAgreement(model, features);
    }

    [Test]
    public void Large_biases_before_ln_post_keep_the_bound(
        [Values("ln_kv.bias", "v_proj.bias", "k_proj.bias", "out_proj.bias")] string name,
        [Values(GateGranularity.Token, GateGranularity.Head, null)] GateGranularity? granularity,
        [Values(1000, -1000, 1e5f)] float offset)
    {
        // Otherwise the bias would dominate the input of fc1.
        using TestModel model = new(Config(granularity), edit: tensor =>
            tensor.Name.EndsWith(name, StringComparison.Ordinal) ? Plus(tensor, offset)
            : tensor.Name == "gate.fc1.weight" ? tensor with { ValueAt = index => tensor.ValueAt(index) / offset }
            : tensor);

        AssertAgreement(model, model.RandomFeatures(s_grid, 1));
    }

    [Test]
    public void Weights_of_one_sign_before_a_normalisation_keep_the_bound(
        [Values("kv_proj.weight", "out_proj.weight")] string name, [Values(1, 1000)] float offset)
    {
        using TestModel model = new(Config(granularity: null), edit: tensor =>
            tensor.Name.EndsWith(name, StringComparison.Ordinal) ? Plus(tensor, offset) : tensor);

        AssertAgreement(model, [.. model.RandomFeatures(s_grid, 1).Select(value => value + 3)]);
    }

    /// <summary>Weights that add the same value to every channel of a branch, which the gate reads.</summary>
    /// <remarks>The values have a single non-zero channel v. out_proj computes v·(r + w), where r is the common part
    /// of its weights and w, with unit deviation (8 times 1/√64), is the rest. The gate is open for this scope only,
    /// so that ln_post normalises a row that is r deviations away from 0.</remarks>
    [Test]
    public void Branches_far_from_zero_have_the_bound_of_their_offset([Values(0, 3, 30, 1000)] float offset)
    {
        using TestModel model = new(Config(GateGranularity.Token), edit: tensor => tensor.Name switch
        {
            "scopes.0.attn.v_proj.weight" => tensor with { ValueAt = index => index < 64 ? tensor.ValueAt(index) : 0 },
            "scopes.0.attn.v_proj.bias" => tensor with { ValueAt = _ => 0 },
            "ln_kv.bias" or "gate.fc1.weight" or "gate.fc2.weight" => tensor with { ValueAt = _ => 0 },
            "gate.fc2.bias" => tensor with { ValueAt = index => index == 0 ? 100 : 0 },
            "scopes.0.attn.out_proj.bias" => tensor with { ValueAt = _ => 0 },
            "scopes.0.attn.out_proj.weight" => tensor with { ValueAt = index => offset + (8 * tensor.ValueAt(index)) },
            _ => tensor,
        });

        AssertAgreement(model, model.RandomFeatures(s_grid, 1), Tolerances.SinglePrecisionAt(offset));
    }

    private static RandomTensor Plus(RandomTensor tensor, float offset)
        => tensor with { ValueAt = index => tensor.ValueAt(index) + offset };
}
