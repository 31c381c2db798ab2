using MsResampler.Safetensors;

namespace MsResampler.Tests.Reference;

/// <summary>Cases with an analytically known result, for every implementation.</summary>
[TestFixture(Implementation.Reference)]
[TestFixture(Implementation.CpuEngine)]
public class AnalyticTests(Implementation implementation)
{
    private static readonly PatchGrid s_grid = new(5, 7);

    private static readonly ResamplerConfig s_config = Configs.Of(Configs.None) with
    {
        HiddenSize = 8,
        AttentionHeadCount = 2,
        OutputSize = 5,
    };

    private static float[] EqualFeatures(TestModel model, PatchGrid grid)
    {
        float[] one = model.RandomFeatures(new PatchGrid(1, 1), seed: 1);
        return [.. Enumerable.Repeat(one, (int)grid.PatchCount).SelectMany(values => values)];
    }

    /// <summary>The name of the same tensor in another scope.</summary>
    private static string InScope(string name, int scope)
    {
        const string AnyScope = "scopes.0";
        return name.StartsWith(AnyScope[..^1], StringComparison.Ordinal)
            ? $"scopes.{scope}{name[AnyScope.Length..]}" : name;
    }

    private static double[] Normalised(ResamplerWeights weights, float[] features, int patch)
    {
        double[] x = [.. features.Skip(patch * 12).Take(12).Select(value => (double)value)];
        return Loops.LayerNorm(Loops.Linear(x, weights.KeyValueInput!), weights.KeyValueNorm);
    }

    /// <summary>The output of the branch for a query that sees one patch.</summary>
    private static double[] OutputOfOnePatch(ResamplerWeights weights, ScopeWeights scope, float[] features,
        int patch)
    {
        double[] value = Loops.Linear(Normalised(weights, features, patch), scope.ValueProjection);
        return Loops.Linear(value, scope.OutputProjection);
    }

    private void AssertClose(double[] actual, double[] expected) => Assert.That(
        Tolerances.RelativeError(actual, expected), Is.LessThanOrEqualTo(implementation.Tolerance()));

    [Test]
    public void A_1x1_window_copies_a_projected_value()
    {
        using TestModel model = new(s_config with { Scopes = [Configs.Window(1, 1)] });
        float[] features = model.RandomFeatures(s_grid, seed: 1);
        ResamplerWeights weights = model.Model.Weights;
        ScopeWeights scope = weights.Scopes[0];
        // The centres of 2 query rows in 5 patch rows, and of 3 query columns in 7 patch columns.
        int[] patches = [(1 * 7) + 1, (1 * 7) + 3, (1 * 7) + 5, (3 * 7) + 1, (3 * 7) + 3, (3 * 7) + 5];
        double[] expected = [.. patches.SelectMany(patch => Loops.Linear(
            Loops.LayerNorm(OutputOfOnePatch(weights, scope, features, patch), weights.PostNorm),
            weights.Projection))];

        AssertClose(implementation.Resample(model, features, s_grid), expected);
    }

    [Test]
    public void Attention_follows_simple_loops()
    {
        using TestModel model = new(s_config with
        {
            PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.SinCos2D),
        });
        float[] features = model.RandomFeatures(s_grid, seed: 2);
        ResamplerWeights weights = model.Model.Weights;
        ScopeWeights scope = weights.Scopes[0];
        double[][] keys = [.. Enumerable.Range(0, 35).Select(patch =>
        {
            double[] z = Normalised(weights, features, patch);
            Loops.AddSinCos(z, y: patch / 7, x: patch % 7);
            return Loops.Linear(z, scope.KeyProjection);
        })];
        for (int query = 0; query < 6; query++)
        {
            double[] learned = scope.Queries.ToDouble()[(query * 8)..((query + 1) * 8)];
            double[] input = Loops.LayerNorm(learned, weights.QueryNorm);
            Loops.AddSinCos(input,
                y: (((query / 3) + 0.5) * 5 / 2) - 0.5,
                x: (((query % 3) + 0.5) * 7 / 3) - 0.5);
            double[] q = Loops.Linear(input, scope.QueryProjection);
            for (int head = 0; head < 2; head++)
            {
                double[] expected = new double[35];
                for (int patch = 0; patch < 35; patch++)
                {
                    double product = 0;
                    for (int channel = 4 * head; channel < 4 * (head + 1); channel++)
                        product += q[channel] * keys[patch][channel];
                    expected[patch] = Math.Exp(product / 2);
                }
                double sum = expected.Sum();

                double[] attention = implementation.Attention(model, features, s_grid, 0, head);

                AssertClose(attention[(query * 35)..((query + 1) * 35)],
                    [.. expected.Select(value => value / sum)]);
            }
        }
    }

    [TestCase(4, 2, 2, WindowBorder.Clip, "0-1 2-3")]
    [TestCase(4, 2, 2, WindowBorder.Shift, "0-1 2-3")]
    [TestCase(4, 2, 3, WindowBorder.Clip, "0-2 1-3")]
    [TestCase(4, 2, 3, WindowBorder.Shift, "0-2 1-3")]
    [TestCase(7, 2, 5, WindowBorder.Clip, "0-3 3-6")]
    [TestCase(7, 2, 5, WindowBorder.Shift, "0-4 2-6")]
    [TestCase(3, 5, 1, WindowBorder.Clip, "0-0 0-0 1-1 2-2 2-2")]
    [TestCase(2, 2, 1, WindowBorder.Clip, "0-0 1-1")]
    [TestCase(5, 1, 4, WindowBorder.Clip, "1-4")]
    [TestCase(5, 1, 9, WindowBorder.Clip, "0-4")]
    [TestCase(5, 1, 9, WindowBorder.Shift, "0-4")]
    [TestCase(1, 2, 4, WindowBorder.Shift, "0-0 0-0")]
    [TestCase(5, 1, 0.5, WindowBorder.Clip, "1-3")]
    [TestCase(5, 1, 0.3, WindowBorder.Clip, "2-3")]
    [TestCase(5, 1, 0.01, WindowBorder.Clip, "2-2")]
    [TestCase(5, 2, 0.6, WindowBorder.Shift, "0-2 2-4")]
    public void Equal_keys_share_the_weight_within_the_window(int patchExtent, int queryExtent, double window,
        WindowBorder border, string ranges)
    {
        ScopeUnits units = window < 1 ? ScopeUnits.Fraction : ScopeUnits.Patches;
        ResamplerConfig config = s_config with
        {
            PositionEmbedding = new(PositionEmbeddingType.None, PositionEmbeddingType.None),
        };
        (QueryGrid, PatchGrid, ScopeConfig)[] axes =
        [
            (new(queryExtent, 1), new(patchExtent, 1), Configs.Window(window, 1, border, units)),
            (new(1, queryExtent), new(1, patchExtent), Configs.Window(1, window, border, units)),
        ];
        foreach ((QueryGrid queryGrid, PatchGrid grid, ScopeConfig scope) in axes)
        {
            using TestModel model = new(config with { QueryGrid = queryGrid, Scopes = [scope] });
            double[] expected = [.. ranges.Split(' ').SelectMany(range =>
            {
                int[] ends = [.. range.Split('-').Select(int.Parse)];
                return Enumerable.Range(0, patchExtent).Select(patch =>
                    patch >= ends[0] && patch <= ends[1] ? 1.0 / (ends[1] - ends[0] + 1) : 0);
            })];

            double[] attention = implementation.Attention(model, EqualFeatures(model, grid), grid, 0, 1);

            AssertClose(attention, expected);
        }
    }

    [TestCase(ScopeUnits.Patches, false)]
    [TestCase(ScopeUnits.Patches, true)]
    [TestCase(ScopeUnits.Fraction, false)]
    [TestCase(ScopeUnits.Fraction, true)]
    public void Equal_keys_leave_only_the_Gaussian_prior(ScopeUnits units, bool isLearned)
    {
        // One query on 3x2 patches has the anchor (1, 0.5). σ is 1.5 rows for head 0, a learned 0.75 for head 1, and
        // 4 columns for both.
        double[] rowScale = units == ScopeUnits.Fraction ? [0.5, 0.25] : [1.5, 0.75];
        double columnScale = units == ScopeUnits.Fraction ? 2 : 4;
        using TestModel model = new(
            s_config with
            {
                QueryGrid = new QueryGrid(1, 1),
                PositionEmbedding = new(PositionEmbeddingType.None, PositionEmbeddingType.None),
                Scopes = [isLearned ? Configs.Gaussian(9, 9, units: units)
                    : Configs.Gaussian(rowScale[0], columnScale, units: units)],
            },
            new RandomModelOptions { LearnedSigmaScopes = isLearned ? [0] : [], Type = TensorType.F64 },
            edit: tensor => tensor.Name != "scopes.0.log_sigma" ? tensor : tensor with
            {
                ValueAt = index => (float)Math.Log(index % 2 == 0 ? rowScale[index / 2] : columnScale),
            });
        PatchGrid grid = new(3, 2);
        for (int head = 0; head < 2; head++)
        {
            double sigma = isLearned && head == 1 ? 0.75 : 1.5;
            double end = Math.Exp(-1 / (2 * sigma * sigma));
            double[] expected = [end, end, 1, 1, end, end];

            double[] attention = implementation.Attention(model, EqualFeatures(model, grid), grid, 0, head);

            // A learned logarithm is rounded to float32.
            Assert.That(attention, Is.EqualTo(expected.Select(value => value / expected.Sum()))
                .Within(isLearned ? Tolerances.SinglePrecision : implementation.Tolerance()));
        }
    }

    /// <summary>Without positions, with one vector for all queries, and without a query in the exact middle, whose
    /// window could not be symmetric.</summary>
    [Test]
    public void A_mirrored_image_has_mirrored_tokens([Values(1, 2, 3, 4, 5, 6)] int window,
        [Values] WindowBorder border, [Values] bool isUpsideDown)
    {
        PatchGrid grid = new(7, 10);
        using TestModel model = new(
            s_config with
            {
                QueryGrid = new QueryGrid(4, 6),
                PositionEmbedding = new(PositionEmbeddingType.None, PositionEmbeddingType.None),
                Scopes =
                [
                    Configs.Window(window, window, border),
                    Configs.Gaussian(1.5, 2, new AxisPair(window + 1, window)) with { Border = border },
                ],
                Gate = new GateConfig(7, GateGranularity.Token),
            },
            edit: tensor => tensor.Name != "query" ? tensor : tensor with { ValueAt = index => (index % 8) - 3.5f });
        float[] features = model.RandomFeatures(grid, seed: 9);

        double[] tokens = implementation.Resample(model, features, grid);
        double[] mirrored = implementation.Resample(model, Mirror(features, 7, 10), grid);

        AssertClose(mirrored, Mirror(tokens, 4, 6));

        T[] Mirror<T>(T[] values, int rows, int columns)
        {
            int width = values.Length / (rows * columns);
            return [.. Enumerable.Range(0, rows).SelectMany(row => Enumerable.Range(0, columns).SelectMany(column =>
                values.Skip(width * (isUpsideDown ? ((rows - 1 - row) * columns) + column
                    : (row * columns) + columns - 1 - column)).Take(width)))];
        }
    }

    [Test]
    public void A_huge_sigma_equals_no_prior()
    {
        using TestModel gaussian = new(s_config with { Scopes = [Configs.Gaussian(1e9, 1e9)] });
        using TestModel none = new(s_config);
        float[] features = none.RandomFeatures(s_grid, seed: 3);

        AssertClose(implementation.Resample(gaussian, features, s_grid),
            implementation.Resample(none, features, s_grid));
    }

    [Test]
    public void A_gate_with_one_dominant_logit_equals_that_scope([Values] GateGranularity granularity,
        [Values(0, 1, 2)] int chosen)
    {
        ResamplerConfig config = s_config with
        {
            Scopes = [Configs.Window(2, 3), Configs.Gaussian(1, 2), Configs.None],
            Gate = new GateConfig(7, granularity),
        };
        int groupCount = config.GateGroupCount;
        using TestModel model = new(config, edit: tensor => tensor.Name == "gate.fc2.bias"
            ? tensor with { ValueAt = entry => entry / groupCount == chosen ? 1000 : 0 } : tensor);
        Dictionary<string, RandomTensor> tensors = RandomModel.CreateTensors(config, 1, new())
            .ToDictionary(tensor => tensor.Name);
        using TestModel single = new(s_config with { Scopes = [config.Scopes[chosen]] },
            edit: tensor => tensors[InScope(tensor.Name, chosen)] with { Name = tensor.Name });
        float[] features = model.RandomFeatures(s_grid, seed: 4);

        AssertClose(implementation.Resample(model, features, s_grid),
            implementation.Resample(single, features, s_grid));
        double[] expectedGate = [.. Enumerable.Range(0, 6 * 3 * groupCount)
            .Select(entry => entry / groupCount % 3 == chosen ? 1.0 : 0)];
        AssertClose(implementation.Gate(model, features, s_grid), expectedGate);
    }

    [Test]
    public void The_gate_follows_simple_loops([Values] GateGranularity granularity)
    {
        // One query on 5x7 patches sees the centre patch (2, 3) through three branches with separate weights.
        using TestModel model = new(s_config with
        {
            QueryGrid = new QueryGrid(1, 1),
            Scopes = [Configs.Window(1, 1), Configs.Window(1, 1), Configs.Window(1, 1)],
            Gate = new GateConfig(7, granularity),
        });
        float[] features = model.RandomFeatures(s_grid, seed: 7);
        ResamplerWeights weights = model.Model.Weights;
        int groupCount = model.Model.Config.GateGroupCount;
        double[][] outputs = [.. weights.Scopes.Select(scope =>
            OutputOfOnePatch(weights, scope, features, patch: (2 * 7) + 3))];
        double[] hidden = Loops.Linear([.. outputs.SelectMany(output => output)], weights.Gate!.Hidden);
        double[] logits = Loops.Linear([.. hidden.Select(Loops.Gelu)], weights.Gate.Output);
        double[] gate = [.. logits.Select(Math.Exp)];
        double[] fused = new double[8];
        for (int group = 0; group < groupCount; group++)
        {
            double sum = gate[group] + gate[groupCount + group] + gate[(2 * groupCount) + group];
            for (int scope = 0; scope < 3; scope++)
            {
                gate[(scope * groupCount) + group] /= sum;
                for (int channel = group * 8 / groupCount; channel < (group + 1) * 8 / groupCount; channel++)
                    fused[channel] += gate[(scope * groupCount) + group] * outputs[scope][channel];
            }
        }

        AssertClose(implementation.Gate(model, features, s_grid), gate);
        AssertClose(implementation.Resample(model, features, s_grid),
            Loops.Linear(Loops.LayerNorm(fused, weights.PostNorm), weights.Projection));
    }

    [Test]
    public void A_head_gate_weights_the_channels_of_each_head()
    {
        // Head 0 takes scope 1 and head 1 takes scope 0; the scopes differ in out_proj only. The result equals that
        // of one scope with the upper half of out_proj from scope 1 and the lower half from scope 0.
        ResamplerConfig config = s_config with
        {
            Scopes = [Configs.None, Configs.None],
            Gate = new GateConfig(3, GateGranularity.Head),
        };
        Dictionary<string, RandomTensor> tensors = RandomModel.CreateTensors(config, 1, new())
            .ToDictionary(tensor => tensor.Name);
        using TestModel model = new(config, edit: tensor =>
            tensor.Name == "gate.fc2.bias" ? tensor with { ValueAt = entry => entry is 1 or 2 ? 1000 : 0 }
            : tensor.Name.Contains("out_proj", StringComparison.Ordinal) ? tensor
            : tensors[InScope(tensor.Name, 0)] with { Name = tensor.Name });
        using TestModel single = new(s_config, edit: tensor =>
            !tensor.Name.Contains("out_proj", StringComparison.Ordinal) ? tensor : tensor with
            {
                ValueAt = index => index < tensor.ElementCount / 2
                    ? tensors[InScope(tensor.Name, 1)].ValueAt(index)
                    : tensor.ValueAt(index),
            });
        float[] features = model.RandomFeatures(s_grid, seed: 5);

        AssertClose(implementation.Resample(model, features, s_grid),
            implementation.Resample(single, features, s_grid));
    }

    [Test]
    public void Stored_positions_are_added_to_the_matching_keys_and_queries()
    {
        // On the query grid nothing is resized: keys and queries use row n of the table. If q_proj is the identity
        // and k_proj twice the identity, the logits of head 0 are (LN(query) + T)[..4] · (z + T)[..4].
        QueryGrid queryGrid = new(2, 3);
        using TestModel model = new(
            s_config with
            {
                QueryGrid = queryGrid,
                PositionEmbedding = new(PositionEmbeddingType.Stored, PositionEmbeddingType.Stored),
            },
            edit: tensor => tensor.Name switch
            {
                "scopes.0.attn.q_proj.weight" => tensor with { ValueAt = Loops.Identity(8) },
                "scopes.0.attn.k_proj.weight" => tensor with { ValueAt = Loops.Identity(8, scale: 2) },
                "scopes.0.attn.q_proj.bias" => tensor with { ValueAt = _ => 0 },
                _ => tensor,
            });
        PatchGrid grid = new(2, 3);
        float[] features = model.RandomFeatures(grid, seed: 6);
        ResamplerWeights weights = model.Model.Weights;
        double[] table = weights.PositionTable!.ToDouble();
        double[] expected = new double[36];
        for (int query = 0; query < 6; query++)
        {
            double[] q = Loops.LayerNorm(weights.Scopes[0].Queries.ToDouble()[(query * 8)..((query + 1) * 8)],
                weights.QueryNorm);
            for (int patch = 0; patch < 6; patch++)
            {
                double[] z = Normalised(weights, features, patch);
                double logit = 0;
                for (int channel = 0; channel < 4; channel++)
                {
                    logit += (q[channel] + table[(query * 8) + channel])
                        * (z[channel] + table[(patch * 8) + channel]);
                }
                expected[(query * 6) + patch] = Math.Exp(logit);
            }
            double sum = expected[(query * 6)..((query + 1) * 6)].Sum();
            for (int patch = 0; patch < 6; patch++)
                expected[(query * 6) + patch] /= sum;
        }

        AssertClose(implementation.Attention(model, features, grid, 0, 0), expected);
    }
}
