using System.Text;
using MsResampler.Safetensors;

namespace MsResampler.Tests.Cli;

/// <summary>Every command that loads a model reports errors in its files in one line, with exit code 2.</summary>
internal sealed class ModelFileTests : CliFixture
{
    private string[][] Commands(string model) =>
    [
        ["inspect", model],
        ["run", "--model", model, "--features", In("f.safetensors"), "--out", In("t.npy")],
        ["run", "--model", model, "--features", In("f.safetensors"), "--out", In("t.npy"), "--backend", "reference"],
        ["verify", "--model", model],
        ["bench", "--model", model, "--grid", "2x2"],
        ["export-onnx", "--model", model, "--out", In("m.onnx")],
    ];

    [OneTimeSetUp]
    public void CreateFeatures()
        => WriteFeatures("f.safetensors", ("features", [2, 2, ChannelCount], Values(4 * ChannelCount, 1)));

    [Test]
    public void Every_command_rejects_a_weight_that_is_not_finite(
        [Values("ln_post.weight", "scopes.0.attn.k_proj.bias")] string name)
    {
        string model = CopyModel();
        string weights = Path.Combine(model, "model.safetensors");
        long place;
        using (FileStream stream = new(weights, FileMode.Open, FileAccess.ReadWrite))
        {
            byte[] bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            SafetensorsHeader header = SafetensorsHeader.Parse(bytes, bytes.Length, weights);
            place = header.DataStart + header.Tensors.Single(tensor => tensor.Name == name).FirstByte + 12;
            stream.Position = place;
            stream.Write(BitConverter.GetBytes(float.NaN));
        }

        foreach (string[] command in Commands(model))
        {
            CliRun.Of(command).FailsNaming($"{weights}: tensor '{name}': expected finite numbers within the range of " +
                "float32, found NaN at [3] (element 3)");
        }

        Assert.That(File.Exists(In("t.npy")) || File.Exists(In("m.onnx")), Is.False);
    }

    [Test]
    public void A_Git_LFS_pointer_or_web_page_in_place_of_a_file_is_named(
        [Values("config.json", "model.safetensors", "model.safetensors.index.json")] string name)
    {
        string model = CopyModel();
        if (name.EndsWith("index.json", StringComparison.Ordinal))
            File.Delete(Path.Combine(model, "model.safetensors"));
        foreach ((string text, string kind) in new[]
        {
            ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "a Git LFS pointer"),
            ("<!DOCTYPE html><html></html>", "an HTML page"),
        })
        {
            File.WriteAllText(Path.Combine(model, name), text);
            foreach (string[] command in Commands(model))
                CliRun.Of(command).FailsNaming($"{Path.Combine(model, name)}: expected", $", found {kind}");
        }
    }

    [Test]
    public void A_file_in_place_of_the_model_folder_is_reported()
    {
        foreach (string[] command in Commands(Path.Combine(Model, "config.json")).Skip(1))
        {
            CliRun.Of(command).FailsNaming(
                "expected a model folder or a checkpoint, found a configuration; name the folder");
        }
    }

    [Test]
    public void A_configuration_is_written_without_its_byte_order_mark([Values(null, "bf16")] string? type)
    {
        File.WriteAllText(In("marked.json"), Config.Replace("\"torch_dtype\": \"float32\"", "\"dtype\": \"float16\"",
            StringComparison.Ordinal), new UTF8Encoding(encoderShouldEmitUTF8Identifier: true));
        string model = In($"marked-{type}");
        string[] options = type is null ? [] : ["--dtype", type];
        CliRun.Of(["init", "--config", In("marked.json"), "--out", model, .. options]).Succeeds();

        Assert.That(File.ReadAllBytes(Path.Combine(model, "config.json"))[0], Is.EqualTo((byte)'{'));
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(model);
        Assert.That(checkpoint.Tensors.Select(tensor => tensor.Type),
            Is.All.EqualTo(type is null ? TensorType.F16 : TensorType.BF16));
        Assert.That(MsResampler.Model.ConfigReader.ReadFile(Path.Combine(model, "config.json"), []).TorchDType,
            Is.EqualTo(type is null ? MsResampler.Model.WeightType.Float16 : MsResampler.Model.WeightType.BFloat16));
    }

    [Test]
    public void Ignored_parts_are_reported()
    {
        string model = CopyModel();
        File.WriteAllText(Path.Combine(model, "model.safetensors.index.json"),
            """{"weight_map":{"query":"model-00001-of-00002.safetensors"}}""");

        Assert.That(CliRun.Of("inspect", model).Error, Does.Contain("model.safetensors.index.json was ignored"));
    }

    private string CopyModel()
    {
        string model = In(Path.GetRandomFileName());
        Directory.CreateDirectory(model);
        foreach (string file in Directory.EnumerateFiles(Model))
            File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        return model;
    }
}
