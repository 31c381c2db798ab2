using System.Diagnostics;
using MsResampler.Gguf;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Gguf;

/// <summary>Models in files as llama.cpp has them.</summary>
internal sealed class GgufModelTests : TemporaryFolderFixture
{
    private const int Width = 256;
    private const int ChannelCount = 96;
    private const int OutputSize = 64;

    private static readonly PatchGrid s_grid = new(3, 4);

    private static readonly (string Own, string Stored)[] s_names =
    [
        ("query", "query"), ("kv_proj.weight", "kv.weight"), ("proj.weight", "proj.weight"),
        ("ln_q.weight", "ln_q.weight"), ("ln_q.bias", "ln_q.bias"), ("ln_kv.weight", "ln_kv.weight"),
        ("ln_kv.bias", "ln_kv.bias"), ("ln_post.weight", "ln_post.weight"), ("ln_post.bias", "ln_post.bias"),
        ("scopes.0.attn.q_proj.weight", "attn.q.weight"), ("scopes.0.attn.q_proj.bias", "attn.q.bias"),
        ("scopes.0.attn.k_proj.weight", "attn.k.weight"), ("scopes.0.attn.k_proj.bias", "attn.k.bias"),
        ("scopes.0.attn.v_proj.weight", "attn.v.weight"), ("scopes.0.attn.v_proj.bias", "attn.v.bias"),
        ("scopes.0.attn.out_proj.weight", "attn.out.weight"), ("scopes.0.attn.out_proj.bias", "attn.out.bias"),
    ];

    private static readonly ResamplerConfig s_config = Configs.Of(Configs.None) with
    {
        VisionHiddenSize = ChannelCount,
        HiddenSize = Width,
        AttentionHeadCount = Width / 128,
        OutputSize = OutputSize,
        QueryGrid = new QueryGrid(2, 3),
    };

    [Test]
    public void A_pipe_is_not_opened_to_recognise_its_format()
    {
        Skip.If(OperatingSystem.IsWindows(), "Pipes have no paths on Windows.");
        string pipe = Folder.File("pipe");
        using (Process make = Process.Start("mkfifo", pipe))
            make.WaitForExit();

        // Opening waits for a writer, and there is none.
        Task<bool> isGguf = Task.Run(() => GgufFile.IsGguf(pipe));

        Assert.That(isGguf.Wait(TimeSpan.FromSeconds(20)) && !isGguf.Result);
    }

    [Test]
    public void Tokens_are_those_of_the_same_model_in_safetensors(
        [Values(GgufBytes.F32, GgufBytes.F16, GgufBytes.BF16, GgufBytes.F64, GgufBytes.Q8)] uint type)
    {
        string path = Write(type, out List<TensorToWrite> tensors);
        float[] expected = BoundTokens(tensors);
        float[] found = Tokens(path);
        Assert.That(found.AsSpan().SequenceEqual(expected), Is.True);
        using Resampler inMemory = Resampler.Load(File.ReadAllBytes(path));
        using FileStream stream = File.OpenRead(path);
        using Resampler streamed = Resampler.Load(stream);
        float[] features = Features();
        Assert.That(inMemory.Resample(features, s_grid).AsSpan().SequenceEqual(expected), "in memory");
        Assert.That(streamed.Resample(features, s_grid).AsSpan().SequenceEqual(expected), "from a stream");
        using Resampler configured = Resampler.Load(File.ReadAllBytes(path), "{}"u8.ToArray());
        Assert.That(configured.Warnings, Has.Exactly(1).EqualTo(
            "the configuration in memory was ignored: a GGUF file has its own"));
        ResamplerModel model = ResamplerModel.Open(path);
        using (model)
        {
            ModelWriter.Write(Folder.File("converted"), model);
            Assert.That(model.Config.PositionEmbedding, Is.EqualTo(s_config.PositionEmbedding));
            Assert.That(model.Layout, Is.EqualTo(CheckpointLayout.MiniCpmV26));
            Assert.That(model.Warnings, Is.Empty);
        }

        Assert.That(Tokens(Folder.File("converted")).AsSpan().SequenceEqual(expected), Is.True);
    }

    [Test]
    public void Blocks_of_8_bits_are_exact_at_every_place()
    {
        Random random = new(3);
        byte[] blocks = new byte[34 * 32 * 70];
        random.NextBytes(blocks);
        for (int block = 0; block < blocks.Length; block += 34)
            BitConverter.GetBytes((Half)(random.NextDouble() - 0.5)).CopyTo(blocks, block);
        double[] expected = GgufBytes.DecodeQ8(blocks);
        string path = Folder.File("q8.gguf");
        File.WriteAllBytes(path, new GgufBytes().Tensor("resampler.t", GgufBytes.Q8, [70, 32 * 32], blocks).ToArray());
        using GgufFile file = GgufFile.Open(path);
        TensorInfo tensor = file.Tensors.Single();
        double[] all = new double[expected.Length];
        file.Read(tensor, 0, all);
        Assert.That(all, Is.EqualTo(expected));
        foreach ((int first, int count) in new[] { (0, 1), (31, 2), (33, 31), (65535, 3), (70000, 1680), (71679, 1) })
        {
            float[] part = new float[count];
            file.Read(tensor, first, part);
            Assert.That(part.Select(value => (double)value), Is.EqualTo(expected.Skip(first).Take(count)), $"{first}");
        }
    }

    [TestCase(2, "minicpm-v-2.5", FrameEmbeddingType.None)]
    [TestCase(4, "minicpm-o-2.6", FrameEmbeddingType.None)]
    [TestCase(5, "minicpm-v-4.0", FrameEmbeddingType.None)]
    [TestCase(6, "minicpm-v-4.5", FrameEmbeddingType.SinCos1D)]
    [TestCase(100045, "minicpm-o-4.5", FrameEmbeddingType.None)]
    public void The_version_decides_the_layout(int version, string layout, FrameEmbeddingType frames)
    {
        using ResamplerModel model = ResamplerModel.Open(Write(GgufBytes.F16, out _, version));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(model.Layout.Name, Is.EqualTo(layout));
            Assert.That(model.Config.PositionEmbedding.Frames, Is.EqualTo(frames));
            Assert.That(model.Config.AttentionHeadCount, Is.EqualTo(2));
            Assert.That(model.Config.LayerNormEpsilon, Is.EqualTo(1e-6));
            Assert.That(model.Warnings, Is.Empty);
        }
    }

    [Test]
    public void An_unknown_version_is_a_warning()
    {
        using ResamplerModel model = ResamplerModel.Open(Write(GgufBytes.F16, out _, version: 77));
        Assert.That(model.Warnings, Has.Some.Contains("clip.minicpmv_version").And.Some.Contains("77"));
    }

    [Test]
    public void Another_projector_and_missing_or_quantised_tensors_are_named()
    {
        using (Assert.EnterMultipleScope())
        {
            Refuses<InvalidModelException>(new GgufBytes().Text("clip.projector_type", "mlp"), "'resampler'", "'mlp'");
            Refuses<InvalidModelException>(new GgufBytes().Text("general.architecture", "llama"), "found none");
            Refuses<InvalidModelException>(new GgufBytes().Text("clip.projector_type", "resampler"),
                "found 0 of 17", "resampler.query", "and 12 more");
            Refuses<GgufException>(new GgufBytes().Text("clip.projector_type", "resampler")
                .Tensor("resampler.query", 12, [2, 256], new byte[288]), "'resampler.query'", "Q8_0", "found Q4_K");
            Refuses<GgufException>(new GgufBytes { Version = 9 }, "found 9");
        }
    }

    [Test]
    public void Values_that_are_not_finite_are_named()
    {
        string path = Write(GgufBytes.Q8, out _);
        byte[] bytes = File.ReadAllBytes(path);
        using (GgufFile file = GgufFile.Open(path))
        {
            GgufTensor tensor = file.Header.Tensors.Single(tensor => tensor.Name == "resampler.attn.k.weight");
            BitConverter.GetBytes(Half.PositiveInfinity).CopyTo(bytes, (int)tensor.FirstByte + (34 * 9));
        }

        File.WriteAllBytes(path, bytes);
        InvalidModelException error = Assert.Throws<InvalidModelException>(() => ResamplerModel.Open(path))!;
        Assert.That(error.Message, Does.Contain("'resampler.attn.k.weight'").And.Contain("infinity").Or.Contain("NaN"));
    }

    [Test]
    public void Commands_read_the_file()
    {
        string path = Write(GgufBytes.F16, out _);
        CliRun.Of("inspect", path).Succeeds();
        CliRun.Of("convert", "--model", path, "--out", Folder.File("own")).Succeeds();
        CliRun.Of("verify", "--model", path, "--backend", "cpu").Succeeds();
        CliRun.Of("run", "--model", path, "--image", path, "--out", path).FailsNaming(path);
        File.WriteAllBytes(path, [.. "GGUF"u8, 0, 0, 0, 3, .. new byte[100]]);
        CliRun.Of("inspect", path).FailsNaming(path, "big-endian");
    }

    /// <summary>Writes the random model of a seed, and returns the tensors with the values that the file has.</summary>
    private string Write(uint type, out List<TensorToWrite> tensors, int? version = 3)
    {
        GgufBytes file = new GgufBytes().Text("general.architecture", "clip").Text("clip.projector_type", "resampler")
            .Tensor("v.blk.0.ln1.weight", 12, [256], new byte[144]);
        if (version is { } number)
            file.Int32("clip.minicpmv_version", number);
        tensors = [];
        foreach (RandomTensor tensor in RandomModel.CreateTensors(s_config, 5, new() { HasProjectionBias = false }))
        {
            float[] values = tensor.ToArray();
            // llama.cpp keeps vectors in float32.
            uint stored = tensor.Shape.Count == 1 ? GgufBytes.F32 : type;
            byte[] bytes = GgufBytes.Encode(stored, values);
            file.Tensor("resampler." + s_names.Single(name => name.Own == tensor.Name).Stored, stored,
                [.. tensor.Shape], bytes);
            tensors.Add(stored == GgufBytes.Q8
                ? new TensorToWrite(tensor.Name, TensorType.F32, tensor.Shape,
                    GgufBytes.DecodeQ8(bytes).Select(value => (float)value).ToArray())
                : TensorToWrite.FromBytes(tensor.Name, stored switch
                {
                    GgufBytes.F16 => TensorType.F16,
                    GgufBytes.BF16 => TensorType.BF16,
                    GgufBytes.F64 => TensorType.F64,
                    _ => TensorType.F32,
                }, tensor.Shape, bytes));
        }

        file.Tensor("resampler.pos_embed_k", GgufBytes.F32, [4, Width], new float[4 * Width]);
        string path = Folder.File($"mmproj-{type}.gguf");
        File.WriteAllBytes(path, file.ToArray());
        return path;
    }

    private void Refuses<TException>(GgufBytes file, params string[] words)
        where TException : Exception
    {
        string path = Folder.File("bad.gguf");
        File.WriteAllBytes(path, file.ToArray());
        string? message = Assert.Throws<TException>(() => ResamplerModel.Open(path).Dispose())?.Message;
        foreach (string word in words)
            Assert.That(message, Does.Contain(word));
    }

    private float[] BoundTokens(List<TensorToWrite> tensors)
    {
        string folder = Directory.CreateDirectory(Folder.File("own-layout")).FullName;
        File.WriteAllText(Path.Combine(folder, ResamplerModel.ConfigFileName), ConfigJson.Of(s_config));
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), tensors);
        return Tokens(folder);
    }

    private static float[] Tokens(string path)
    {
        using Resampler resampler = Resampler.Load(path, new ResamplerOptions { ThreadCount = 1 });
        return resampler.Resample(Features(), s_grid);
    }

    private static float[] Features()
        => [.. Enumerable.Range(0, 12 * ChannelCount).Select(index => MathF.Sin(index))];
}
