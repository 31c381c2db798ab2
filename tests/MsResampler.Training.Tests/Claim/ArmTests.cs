using MsResampler.Claim.Arms;
using MsResampler.Claim.Runs;
using MsResampler.Scenes;
using MsResampler.Training.Tests.Scenes;

namespace MsResampler.Training.Tests.Claim;

/// <summary>The arms of the experiment.</summary>
internal sealed class ArmTests
{
    private static readonly GarmentSet s_garments = SyntheticGarments.Create();

    private static IEnumerable<string> Names => ArmList.All.Select(arm => arm.Name);

    private static SceneBatch Scenes(int count, int scale = 1)
    {
        SceneBatch batch = new(count, 1, scale);
        batch.Draw(s_garments, 1, 0);
        return batch;
    }

    private static float[] Tokens(TokenModel model, SceneBatch batch)
    {
        float[] tokens = new float[batch.SceneCount * Arm.TokenFloats];
        model.Forward(batch.Features, batch.Grid, batch.SceneCount, tokens);
        return tokens;
    }

    [TestCaseSource(nameof(Names))]
    public void An_arm_gives_tokens_and_gradients_of_every_trained_parameter(string name)
    {
        using TokenModel model = ArmList.Find(name).Create(1);
        float[] tokens = Tokens(model, Scenes(2));
        Assert.That(tokens, Has.All.InRange(-1e3, 1e3));
        model.Backward(tokens);
        foreach (TrainableTensor tensor in model.Tensors.Where(tensor => !tensor.IsFrozen))
        {
            // A gate whose last layer is 0 passes no gradient to its first; the bias of keys does not change a softmax.
            if (!tensor.Name.StartsWith("gate.fc1.", StringComparison.Ordinal)
                && !tensor.Name.EndsWith("k_proj.bias", StringComparison.Ordinal))
                Assert.That(tensor.Gradient.ToArray().Any(value => value != 0), tensor.Name);
        }
    }

    [Test]
    public void Widened_arms_cost_what_three_scopes_cost()
    {
        ArmCost ours = ArmList.Find(ArmList.Scopes).Cost;
        // A width is a whole number of heads; the last head adds at most 2/7.
        foreach (string name in (string[])["global-parameters", "window-parameters", "pool"])
            Assert.That(ArmList.Find(name).Cost.ParameterCount / (double)ours.ParameterCount,
                Is.InRange(1, 1.29), name);
        Assert.That(ArmList.Find("global-work").Cost.Work / (double)ours.Work, Is.InRange(1, 1.29));
    }

    // kv_proj 16·64, three norms, 9 queries, four projections and proj with biases.
    [Test]
    public void Parameters_and_multiply_adds_of_the_baseline_agree_with_a_count_by_hand()
    {
        ArmCost cost = ArmList.Find(ArmList.Baseline).Cost;
        Assert.That(cost.ParameterCount,
            Is.EqualTo((16 * 64) + (3 * 2 * 64) + (9 * 64) + (4 * ((64 * 64) + 64)) + (64 * 65)));
        // 256 patches: kv_proj, keys and values; 9 queries: logits and values over 256 patches, out_proj, proj.
        Assert.That(cost.Work,
            Is.EqualTo((256 * 16 * 64) + (2 * 256 * 64 * 64) + (2 * 9 * 256 * 64) + (2 * 9 * 64 * 64)));
    }

    [Test]
    public void Windows_in_patches_give_the_same_tokens_as_fractions_at_scale_1(
        [Values("scopes", "sigma", "windows")] string name)
    {
        Arm arm = ArmList.Find(name);
        using TokenModel model = arm.Create(1);
        using TokenModel inPatches = arm.InPatches!(model);
        SceneBatch batch = Scenes(2);
        Assert.That(Tokens(inPatches, batch), Is.EqualTo(Tokens(model, batch)).Within(1e-5));
        SceneBatch doubled = Scenes(1, scale: 2);
        Assert.That(Tokens(inPatches, doubled), Is.Not.EqualTo(Tokens(model, doubled)).Within(1e-3));
    }

    // A global scope does not see the order of patches, because keys keep their true positions.
    [Test]
    public void Shuffled_patches_do_not_change_a_global_scope()
    {
        TrainableModel model = ((ScopedModel)ArmList.Find(ArmList.Baseline).Create(1)).Model;
        int[] places = [.. Enumerable.Range(0, 256)];
        new SceneRandom(4, 0, 0).Shuffle(places.AsSpan());
        using ScopedModel plain = new(model);
        using ScopedModel shuffled = new(model, places);
        SceneBatch batch = Scenes(2);
        Assert.That(Tokens(shuffled, batch), Is.EqualTo(Tokens(plain, batch)).Within(1e-5));
    }

    [Test]
    public void Shuffled_patches_change_windows()
    {
        using TokenModel plain = ArmList.Find(ArmList.Scopes).Create(1);
        using TokenModel shuffled = ArmList.Find("shuffled").Create(1);
        SceneBatch batch = Scenes(1);
        Assert.That(Tokens(shuffled, batch), Is.Not.EqualTo(Tokens(plain, batch)).Within(1e-2));
    }

    [Test]
    public void A_frozen_gate_is_an_exact_mean()
    {
        using TokenModel mean = ArmList.Find("mean").Create(1);
        Assert.That(mean.Tensors.Where(tensor => tensor.Name.StartsWith("gate.", StringComparison.Ordinal))
            .All(tensor => tensor.IsFrozen));
        Assert.That(mean.Tensors.Single(tensor => tensor.Name == "gate.fc2.weight").Values.ToArray(), Is.All.Zero);
    }

    // Central differences in single precision of a sum with random signs: errors of 1e-3 of the gradient's norm.
    [Test]
    public void Gradients_of_pooling_agree_with_central_differences()
    {
        using PooledModel model = new(Arm.Queries, new PooledSizes(SceneLayout.FeatureSize, 8, 6, 5), seed: 1);
        SceneBatch batch = Scenes(2);
        float[] tokens = new float[2 * Arm.Queries.QueryCount * 5];
        SceneRandom random = new(2, 0, 0);
        float[] signs = [.. tokens.Select(_ => random.Coin() ? 1f : -1f)];
        model.Forward(batch.Features, batch.Grid, 2, tokens);
        model.Backward(signs);
        foreach (TrainableTensor tensor in model.Tensors)
        {
            double norm = Math.Sqrt(tensor.Gradient.ToArray().Sum(value => (double)value * value));
            for (int trial = 0; trial < 5; trial++)
            {
                int element = random.Below(tensor.Count);
                float value = tensor.Values[element];
                const float Step = 1e-2f;
                tensor.Values[element] = value + Step;
                double above = Sum();
                tensor.Values[element] = value - Step;
                double below = Sum();
                tensor.Values[element] = value;
                Assert.That(tensor.Gradient[element], Is.EqualTo((above - below) / (2 * Step)).Within(1e-3 * norm),
                    $"{tensor.Name}[{element}]");
            }
        }

        double Sum()
        {
            model.Forward(batch.Features, batch.Grid, 2, tokens);
            return tokens.Select((value, index) => (double)value * signs[index]).Sum();
        }
    }
}
