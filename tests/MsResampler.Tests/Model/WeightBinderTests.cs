using System.Diagnostics;
using System.Text;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Model;

/// <summary>Which tensors a model accepts, under which names, and how it reports the others.</summary>
public class WeightBinderTests
{
    private static readonly ResamplerConfig s_config = Configs.Of(Configs.Gaussian(1, 2), Configs.None);

    private static readonly ResamplerConfig s_single = Configs.Of(Configs.None);

    private static List<TensorToWrite> Tensors(ResamplerConfig config, RandomModelOptions? options = null,
        ulong seed = 1)
        => [.. RandomModel.CreateTensors(config, seed, options ?? new())
            .Select(tensor => tensor.ToWrite(TensorType.F32))];

    private static TensorToWrite Zeros(string name, params long[] shape)
        => new(name, TensorType.F32, shape, (_, values) => values.Clear());

    private static List<TensorToWrite> Replace(List<TensorToWrite> tensors, TensorToWrite tensor)
        => [.. tensors.Where(other => other.Name != tensor.Name), tensor];

    private static T Open<T>(ResamplerConfig config, IEnumerable<TensorToWrite> tensors, Func<ResamplerModel, T> use,
        Dictionary<string, string>? metadata = null)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File(ResamplerModel.ConfigFileName), ConfigJson.Of(config));
        SafetensorsWriter.Write(folder.File("model.safetensors"), tensors, metadata);
        using ResamplerModel model = ResamplerModel.Open(folder.Path);
        return use(model);
    }

    private static string Prefix(ResamplerConfig config, IEnumerable<TensorToWrite> tensors)
        => Open(config, tensors, model => model.TensorPrefix);

    private static IReadOnlyList<string> Problems(ResamplerConfig config, IEnumerable<TensorToWrite> tensors)
        => Assert.Throws<InvalidModelException>(() => Prefix(config, tensors))!.Problems;

    private static IReadOnlyList<string> Warnings(ResamplerConfig config, IEnumerable<TensorToWrite> tensors)
        => Open(config, tensors, model => model.Warnings);

    private static List<TensorToWrite> Rename(ResamplerConfig config, Func<string, string> rename, ulong seed = 1)
        => [.. RandomModel.CreateTensors(config, seed, new())
            .Select(tensor => (tensor with { Name = rename(tensor.Name) }).ToWrite(TensorType.F32))];

    private static float[] Tokens(ResamplerConfig config, IEnumerable<TensorToWrite> tensors,
        Dictionary<string, string>? metadata = null) => Open(config, tensors, model =>
    {
        using Resampler resampler = Resampler.Load(model, new ResamplerOptions { ThreadCount = 1 });
        PatchGrid grid = new(4, 3);
        float[] features = [.. Enumerable.Range(0, 12 * config.VisionHiddenSize).Select(index => MathF.Sin(index))];
        float[] tokens = new float[config.QueryGrid.QueryCount * config.OutputSize];
        resampler.Resample(features, [grid], tokens);
        return tokens;
    }, metadata);

    [Test]
    public void Every_tensor_is_needed_but_the_optional_ones()
    {
        List<TensorToWrite> tensors = Tensors(s_config, new() { LearnedSigmaScopes = [0] });
        string[] optional = ["proj.bias", "scopes.0.log_sigma"];

        foreach (TensorToWrite missing in tensors)
        {
            List<TensorToWrite> rest = [.. tensors.Where(tensor => tensor != missing)];
            if (optional.Contains(missing.Name))
                Assert.That(() => Prefix(s_config, rest), Throws.Nothing, missing.Name);
            else
                Assert.That(Problems(s_config, rest), Is.EqualTo(new[] { $"tensor '{missing.Name}': expected shape " +
                    $"[{string.Join(", ", missing.Shape)}], found no such tensor" }));
        }
    }

    [Test]
    public void Every_shape_is_checked()
    {
        List<TensorToWrite> tensors = Tensors(s_config, new() { LearnedSigmaScopes = [0] });

        foreach (TensorToWrite tensor in tensors)
        {
            long[] shape = [.. tensor.Shape, 1];
            Assert.That(Problems(s_config, Replace(tensors, Zeros(tensor.Name, shape))),
                Is.EqualTo(new[] { $"tensor '{tensor.Name}': expected shape [{string.Join(", ", tensor.Shape)}], " +
                    $"found [{string.Join(", ", shape)}]" }));
        }
    }

    [Test]
    public void A_transposed_matrix_is_misshapen()
    {
        List<TensorToWrite> tensors = Replace(Tensors(s_config), Zeros("kv_proj.weight", 12, 24));

        Assert.That(Problems(s_config, tensors),
            Is.EqualTo(new[] { "tensor 'kv_proj.weight': expected shape [24, 12], found [12, 24]" }));
    }

    [Test]
    public void All_problems_are_in_one_error()
    {
        List<TensorToWrite> tensors = [.. Tensors(s_config).Where(tensor => tensor.Name != "ln_q.bias")];
        tensors = Replace(tensors, Zeros("query", 6, 23));
        tensors = Replace(tensors, TensorToWrite.FromBytes("gate.fc1.bias", TensorType.I32, [7], new byte[28]));
        tensors.Add(Zeros("scopes.2.attn.q_proj.weight", 24, 24));

        Assert.That(Problems(s_config, tensors), Is.EquivalentTo(new[]
        {
            "tensor 'ln_q.bias': expected shape [24], found no such tensor",
            "tensor 'query': expected shape [6, 24], found [6, 23]",
            "tensor 'gate.fc1.bias': expected type F32, F16, BF16 or F64, found I32",
            "tensor 'scopes.2.attn.q_proj.weight': this configuration has no use for it; " +
                "found F32 [24, 24]",
        }));
    }

    [Test]
    public void A_checkpoint_without_any_known_name_misses_everything()
    {
        IReadOnlyList<string> problems = Problems(s_config, [Zeros("x", 1)]);

        IEnumerable<string> needed = Tensors(s_config, new() { HasProjectionBias = false })
            .Select(tensor => $"tensor '{tensor.Name}': expected shape [{string.Join(", ", tensor.Shape)}], " +
                "found no such tensor");
        Assert.That(problems, Is.EquivalentTo(needed.Append(
            "tensor 'x': this configuration has no use for it; found F32 [1]")));
    }

    [TestCase("")]
    [TestCase("resampler.")]
    [TestCase("model.vision.resampler.")]
    [TestCase("attn.")]
    public void A_prefix_is_detected(string prefix)
        => Assert.That(Prefix(s_config, Tensors(s_config, new() { Prefix = prefix })), Is.EqualTo(prefix));

    [Test]
    public void A_prefix_is_detected_among_the_tensors_of_a_whole_model()
    {
        List<TensorToWrite> tensors = Tensors(s_single, new() { Prefix = "resampler." });
        for (int layer = 0; layer < 40; layer++)
        {
            foreach (string name in new[] { "q_proj", "k_proj", "v_proj", "out_proj" })
                tensors.Add(Zeros($"vpm.encoder.layers.{layer}.self_attn.{name}.weight", 2, 2));
            tensors.Add(Zeros($"vision.layers.{layer}.attn.q_proj.weight", 2, 2));
            tensors.Add(Zeros($"vision.layers.{layer}.attn.out_proj.weight", 2, 2));
        }

        tensors.Add(TensorToWrite.FromBytes("vpm.position_ids", TensorType.I64, [1], new byte[8]));

        Assert.That(Prefix(s_single, tensors), Is.EqualTo("resampler."));
    }

    [Test]
    public void Two_equally_good_prefixes_are_refused()
    {
        List<TensorToWrite> tensors = [.. Tensors(s_config, new() { Prefix = "a." }),
            .. Tensors(s_config, new() { Prefix = "b.c." })];

        Assert.That(Problems(s_config, tensors), Is.EqualTo(new[] { "tensor names: expected one resampler, found two " +
            "that fit equally well, under 'a.' and 'b.c.'" }));
    }

    [Test]
    public void The_more_complete_of_two_prefixes_is_taken()
    {
        List<TensorToWrite> tensors = [.. Tensors(s_config, new() { Prefix = "a." }).Skip(1),
            .. Tensors(s_config, new() { Prefix = "b.c." })];

        Assert.That(Prefix(s_config, tensors), Is.EqualTo("b.c."));
    }

    [Test]
    public void Scopes_that_the_model_does_not_have_speak_for_no_prefix()
    {
        // More of each than the model has tensors.
        List<TensorToWrite> tensors = Tensors(s_config, new() { Prefix = "resampler." });
        for (int scope = s_config.Scopes.Count; scope < 60; scope++)
            tensors.Add(Zeros($"beyond.scopes.{scope}.query", 1));
        for (int zeros = 1; zeros < 20; zeros++)
            foreach (string role in new[] { "query", "log_sigma", "attn.q_proj.weight", "attn.k_proj.weight" })
                tensors.Add(Zeros($"padded.scopes.{new string('0', zeros)}1.{role}", 1));

        Assert.That(Prefix(s_config, tensors), Is.EqualTo("resampler."));
    }

    [Test]
    public void A_name_that_can_be_read_with_a_prefix_and_without_is_not_two_resamplers()
        => Assert.That(Problems(s_single, [Zeros("scopes.0.attn.out_proj.weight", 24, 24)]),
            Has.None.StartsWith("tensor names:"));

    [Test]
    public void Under_no_prefix_foreign_tensors_are_refused()
        => Assert.That(Problems(s_config, [.. Tensors(s_config), Zeros("vpm.weight", 2)]), Is.EqualTo(new[] {
            "tensor 'vpm.weight': this configuration has no use for it; found F32 [2]" }));

    [Test]
    public void Shared_keys_and_values_exist_for_the_first_scope_only([Values("k_proj", "v_proj")] string name)
    {
        ResamplerConfig config = s_config with { ShareKeyValues = true };
        TensorToWrite stray = Zeros($"scopes.1.attn.{name}.weight", 24, 24);

        Assert.That(() => Prefix(config, Tensors(config)), Throws.Nothing);
        Assert.That(Problems(config, [.. Tensors(config), stray]), Is.EqualTo(new[] {
            $"tensor '{stray.Name}': this configuration has no use for it; found F32 [24, 24]" }));
    }

    [Test]
    public void Shared_queries_are_not_repeated_by_scope() => Assert.That(
        Problems(s_config, [.. Tensors(s_config), Zeros("scopes.0.query", 6, 24)]).Single(),
        Does.StartWith("tensor 'scopes.0.query': this configuration has no use for it"));

    [Test]
    public void A_sigma_needs_a_gaussian() => Assert.That(
        Problems(s_config, [.. Tensors(s_config), Zeros("scopes.1.log_sigma", 3, 2)]).Single(),
        Does.StartWith("tensor 'scopes.1.log_sigma': this configuration has no use for it"));

    [Test]
    public void One_scope_has_no_gate_tensors() => Assert.That(
        Problems(s_single, [.. Tensors(s_single), Zeros("gate.fc1.bias", 7)]).Single(),
        Does.StartWith("tensor 'gate.fc1.bias': this configuration has no use for it"));

    [Test]
    public void Stacked_and_separate_projections_together_are_refused()
    {
        List<TensorToWrite> tensors = Tensors(s_config, new() { StackInputProjections = true });
        tensors.Add(Zeros("scopes.1.attn.q_proj.weight", 24, 24));

        Assert.That(Problems(s_config, tensors).Single(),
            Does.StartWith("tensor 'scopes.1.attn.q_proj.weight': this configuration has no use for it"));
    }

    [Test]
    public void A_stacked_projection_must_hold_three()
    {
        List<TensorToWrite> tensors = Replace(Tensors(s_config, new() { StackInputProjections = true }),
            Zeros("scopes.0.attn.in_proj_weight", 48, 24));

        Assert.That(Problems(s_config, tensors),
            Is.EqualTo(new[] { "tensor 'scopes.0.attn.in_proj_weight': expected shape [72, 24], found [48, 24]" }));
    }

    [Test]
    public void Kv_proj_may_be_left_out_only_where_it_can_be_the_identity()
    {
        ResamplerConfig square = s_config with { VisionHiddenSize = 24 };
        List<TensorToWrite> tensors = Tensors(square, new() { OmitKeyValueInput = true });

        Assert.That(Open(square, tensors, model => model.Weights.KeyValueInput is null), Is.True);
        Assert.That(Problems(s_config, tensors),
            Is.EqualTo(new[] { "tensor 'kv_proj.weight': expected shape [24, 12], found no such tensor" }));
    }

    [Test]
    public void The_layout_of_MiniCPM_gives_the_tokens_of_the_native_one([Values(10, 5003)] int outputSize)
    {
        // 5003: many panels, the last one in part, and more of the transposed matrix than is read at once.
        ResamplerConfig config = s_single with { OutputSize = outputSize };
        RandomModelOptions published = new()
        {
            Prefix = "resampler.",
            UsePublishedNames = true,
            StackInputProjections = true,
            HasProjectionBias = false,
        };
        List<TensorToWrite> tensors = Tensors(config, published);

        Assert.That(tensors.Select(tensor => tensor.Name), Is.EquivalentTo(new[]
        {
            "resampler.query", "resampler.kv_proj.weight", "resampler.attn.in_proj_weight",
            "resampler.attn.in_proj_bias",
            "resampler.attn.out_proj.weight", "resampler.attn.out_proj.bias", "resampler.ln_q.weight",
            "resampler.ln_q.bias", "resampler.ln_kv.weight", "resampler.ln_kv.bias", "resampler.ln_post.weight",
            "resampler.ln_post.bias", "resampler.proj",
        }));
        Assert.That(tensors.Single(tensor => tensor.Name == "resampler.proj").Shape,
            Is.EqualTo(new[] { 24, outputSize }));
        Assert.That(Tokens(config, tensors),
            Is.EqualTo(Tokens(config, Tensors(config, new() { HasProjectionBias = false }))));
    }

    [Test]
    public void The_layout_of_QwenVL_gives_the_tokens_of_the_native_one()
    {
        ResamplerConfig config = s_single with
        {
            PositionEmbedding = new(PositionEmbeddingType.Stored, Keys: true, Queries: true),
        };
        const string Pool = "transformer.visual.attn_pool.";
        const string Outer = "transformer.visual.";
        List<TensorToWrite> tensors = [.. RandomModel.CreateTensors(config, 1, new()
        {
            Prefix = Pool,
            UsePublishedNames = true,
            StackInputProjections = true,
            HasProjectionBias = false,
        }).Select(tensor => tensor.Name[Pool.Length..] is "ln_post.weight" or "ln_post.bias" or "proj"
            ? tensor with { Name = Outer + tensor.Name[Pool.Length..] } : tensor)
            .Select(tensor => tensor.ToWrite(TensorType.F32))];
        tensors.Add(Zeros(Outer + "ln_pre.weight", 3));
        tensors.Add(Zeros(Outer + "transformer.resblocks.0.attn.in_proj.weight", 3, 3));
        tensors.Add(Zeros("transformer.wte.weight", 3, 3));

        Assert.That(Tokens(config, tensors),
            Is.EqualTo(Tokens(config, Tensors(config, new() { HasProjectionBias = false }))));
        Assert.That(Prefix(config, tensors), Is.EqualTo(Pool));
        Assert.That(Problems(config, tensors.Where(tensor => tensor.Name != Outer + "proj")).Single(),
            Does.Contain("proj.weight': expected shape [10, 24], found no such tensor"));
    }

    [Test]
    public void A_folder_that_is_none_and_files_that_are_missing()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("file"), "");

        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => ResamplerModel.Open(folder.File("none")), Throws.TypeOf<DirectoryNotFoundException>());
            Assert.That(() => ResamplerModel.Open(folder.File("file")),
                Throws.TypeOf<DirectoryNotFoundException>().With.Message.EndsWith(
                    "found a file; name the folder that holds config.json and the weights"));
            Assert.That(() => ResamplerModel.Open(folder.Path), Throws.TypeOf<FileNotFoundException>()
                .With.Message.Contains(ResamplerModel.ConfigFileName).And.Message.EndsWith("found no such file"));
            Directory.CreateDirectory(folder.File(ResamplerModel.ConfigFileName));
            Assert.That(() => ResamplerModel.Open(folder.Path), Throws.TypeOf<FileNotFoundException>()
                .With.Message.EndsWith("found a folder"));
            Directory.Delete(folder.File(ResamplerModel.ConfigFileName));
            File.CreateSymbolicLink(folder.File(ResamplerModel.ConfigFileName), "gone.json");
            Assert.That(() => ResamplerModel.Open(folder.Path), Throws.TypeOf<FileNotFoundException>()
                .With.Message.EndsWith("found a link to 'gone.json', where no file is"));
            File.Delete(folder.File(ResamplerModel.ConfigFileName));
            File.WriteAllBytes(folder.File(ResamplerModel.ConfigFileName),
                Encoding.UTF8.GetBytes(ConfigJson.Of(s_single)));
            Assert.That(() => ResamplerModel.Open(folder.Path), Throws.TypeOf<FileNotFoundException>());
        }
    }

    [Test]
    public void A_refused_checkpoint_is_closed_again()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File(ResamplerModel.ConfigFileName), ConfigJson.Of(s_config));
        string path = folder.File("model.safetensors");
        SafetensorsWriter.Write(path, [Zeros("x", 1)]);

        Assert.That(() => ResamplerModel.Open(folder.Path), Throws.TypeOf<InvalidModelException>());
        if (OperatingSystem.IsLinux())
            Assert.That(Directory.EnumerateFiles("/proc/self/fd").Select(file => new FileInfo(file).LinkTarget),
                Does.Not.Contain(path));
    }

    [TestCase("module.", "", "")]
    [TestCase("_orig_mod.", "", "")]
    [TestCase("module._orig_mod.", "", "")]
    [TestCase("_orig_mod.module._orig_mod.", "", "")]
    [TestCase("_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "")]
    [TestCase("module.resampler.", "", "resampler.")]
    [TestCase("resampler._orig_mod.", "", "resampler.")]
    [TestCase("model.module.vision.resampler.", "_orig_mod.", "model.vision.resampler.")]
    public void Parts_of_names_that_wrappers_add_are_left_out(string outer, string inner, string prefix)
    {
        // The inner part stands in the middle of some of the names only, and before the last part of others.
        List<TensorToWrite> tensors = Rename(s_config, name => outer + name
            .Replace("scopes.1.", $"scopes.1.{inner}", StringComparison.Ordinal)
            .Replace("attn.k_proj.", $"attn.{inner}k_proj.{inner}", StringComparison.Ordinal)
            .Replace("scopes.0.", $"{inner}scopes.0.", StringComparison.Ordinal));

        Assert.That(Prefix(s_config, tensors), Is.EqualTo(prefix));
        Assert.That(Tokens(s_config, tensors), Is.EqualTo(Tokens(s_config, Tensors(s_config))));
    }

    [Test]
    public void Names_that_differ_by_wrappers_only_are_refused()
    {
        List<TensorToWrite> tensors =
            [.. Tensors(s_config), Zeros("module.query", 6, 24), Zeros("gate._orig_mod.fc1.bias", 7)];

        Assert.That(Problems(s_config, tensors), Is.EquivalentTo(new[]
        {
            "tensor 'query': expected one tensor of this name, found 'module.query' and 'query', which differ only " +
                "in the parts that wrappers add",
            "tensor 'gate.fc1.bias': expected one tensor of this name, found 'gate._orig_mod.fc1.bias' and " +
                "'gate.fc1.bias', which differ only in the parts that wrappers add",
        }));
    }

    [Test]
    public void Foreign_names_that_differ_by_wrappers_only_do_not_matter()
    {
        List<TensorToWrite> tensors = [.. Tensors(s_config, new() { Prefix = "resampler." }),
            Zeros("llm.module.w", 1), Zeros("llm.w", 1)];

        Assert.That(Prefix(s_config, tensors), Is.EqualTo("resampler."));
    }

    [Test]
    public void Tied_tensors_are_found_by_what_the_metadata_say()
    {
        // As safetensors' save_model writes them: the name that was removed, and the name that was kept.
        ResamplerConfig config = s_config with { ShareQueries = false };
        List<TensorToWrite> tensors = Tensors(config);
        List<TensorToWrite> both = Replace(tensors, RandomModel.CreateTensors(config, 1, new())
            .Where(tensor => tensor.Name == "scopes.0.query")
            .Select(tensor => (tensor with { Name = "scopes.1.query" }).ToWrite(TensorType.F32)).Single());
        List<TensorToWrite> one = [.. tensors.Where(tensor => tensor.Name != "scopes.1.query")];
        Dictionary<string, string> metadata = new() { ["format"] = "pt", ["scopes.1.query"] = "scopes.0.query" };

        Assert.That(Tokens(config, one, metadata), Is.EqualTo(Tokens(config, both)));
        Assert.That(Problems(config, one).Single(), Does.StartWith("tensor 'scopes.1.query': expected shape"));
    }

    [Test]
    public void Tied_tensors_may_have_prefixes_and_wrappers()
    {
        ResamplerConfig config = s_config with { ShareQueries = false };
        List<TensorToWrite> tensors = [.. Rename(config, name => "module.resampler." + name)
            .Where(tensor => tensor.Name != "module.resampler.scopes.1.query")];

        Assert.That(Open(config, tensors, model => model.Weights.Scopes[1].Queries.Name, new()
        {
            ["module.resampler.scopes.1.query"] = "module.resampler.scopes.0.query",
        }), Is.EqualTo("module.resampler.scopes.0.query"));
    }

    [Test]
    public void A_tensor_tied_to_itself_but_for_wrappers_is_one_tensor()
        => Assert.That(() => Open(s_config, Tensors(s_config), _ => 0, new() { ["module.query"] = "query" }),
            Throws.Nothing);

    [Test]
    public void A_tied_tensor_of_another_shape_is_refused()
    {
        List<TensorToWrite> tensors = [.. Tensors(s_config).Where(tensor => tensor.Name != "ln_q.bias")];

        InvalidModelException error = Assert.Throws<InvalidModelException>(() => Open(s_config, tensors, _ => 0,
            new() { ["ln_q.bias"] = "query" }))!;

        Assert.That(error.Problems, Is.EqualTo(new[] { "tensor 'query': expected shape [24], found [6, 24]" }));
    }

    [TestCase("rotary_emb.inv_freq")]
    [TestCase("position_ids")]
    [TestCase("attn.num_batches_tracked")]
    [TestCase("scopes.0.attn.running_mean")]
    [TestCase("module.total_ops")]
    public void Buffers_that_nobody_asks_for_are_ignored_with_a_warning(string name)
    {
        foreach (string prefix in new[] { "", "resampler." })
        {
            List<TensorToWrite> tensors = [.. Tensors(s_config, new() { Prefix = prefix }),
                TensorToWrite.FromBytes(prefix + name, TensorType.I64, [2], new byte[16])];

            Assert.That(Warnings(s_config, tensors), Is.EqualTo(new[] {
                $"tensor '{prefix}{name}' was ignored: a buffer that this model does not use" }));
        }
    }

    [Test]
    public void A_buffer_may_hold_any_values()
    {
        List<TensorToWrite> tensors = [.. Tensors(s_config),
            new TensorToWrite("attention_mask", TensorType.F32, [1], new[] { float.NegativeInfinity })];

        Assert.That(Warnings(s_config, tensors), Has.Count.EqualTo(1));
    }

    [Test]
    public void A_missing_tensor_says_where_the_index_places_it()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File(ResamplerModel.ConfigFileName), ConfigJson.Of(s_config));
        List<TensorToWrite> tensors = [.. Tensors(s_config, new() { Prefix = "resampler." })];
        SafetensorsWriter.Write(folder.File("2.safetensors"), tensors);
        IEnumerable<string> names = tensors.Select(tensor => tensor.Name).Concat(["llm.w", "llm.inv_freq"]);
        void WriteIndex(string queryShard)
        {
            IEnumerable<string> entries = names.Select(name => $"\"{name}\":\"{Shard(name)}.safetensors\"");
            File.WriteAllText(folder.File("model.safetensors.index.json"),
                "{\"weight_map\":{" + string.Join(',', entries) + "}}");

            string Shard(string name)
                => name == "llm.w" ? "1" : name.EndsWith("query", StringComparison.Ordinal) ? queryShard : "2";
        }

        WriteIndex("2");
        using (ResamplerModel model = ResamplerModel.Open(folder.Path))
            Assert.That(model.Warnings.Single(), Does.Contain("shard '1.safetensors' was left out"));
        WriteIndex("1");
        InvalidModelException error = Assert.Throws<InvalidModelException>(() => ResamplerModel.Open(folder.Path))!;
        Assert.That(error.Problems, Is.EqualTo(new[]
        {
            "tensor 'resampler.query': expected shape [6, 24], found no such tensor: the index places it in " +
                "'1.safetensors': found no such file",
        }));
    }

    [Test]
    public void Names_without_end_cost_no_more_than_their_length()
    {
        string endless = string.Concat(Enumerable.Repeat("a.", 1_000_000));
        List<TensorToWrite> tensors = [.. Tensors(s_config, new() { Prefix = "resampler." }),
            Zeros(endless + "query", 1), Zeros(endless + "module.x", 1)];

        Stopwatch watch = Stopwatch.StartNew();
        Assert.That(Prefix(s_config, tensors), Is.EqualTo("resampler."));
        Assert.That(watch.Elapsed, Is.LessThan(TimeSpan.FromSeconds(10)), "a scan for each part would take hours");
    }

    [Test]
    public void Warnings_reach_the_model()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File(ResamplerModel.ConfigFileName),
            ConfigJson.Of(s_single).Insert(1, "\"extra\": 1,"));
        SafetensorsWriter.Write(folder.File("model.safetensors"), Tensors(s_single));

        using ResamplerModel model = ResamplerModel.Open(folder.Path);
        using Resampler resampler = Resampler.Load(folder.Path);

        Assert.That(model.Warnings, Is.EqualTo(new[] { "unknown field 'extra' was ignored" }));
        Assert.That(resampler.Warnings, Is.EqualTo(model.Warnings));
    }
}
