using System.Text;
using MsResampler.Safetensors;
using static MsResampler.Tests.Model.BoundWeights;

namespace MsResampler.Tests.Model;

/// <summary>The files of a model folder.</summary>
public class ModelFolderTests
{
    [Test]
    public void Missing_folders_and_files_are_reported()
    {
        using TemporaryFolder folder = new();

        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => ResamplerModel.Open(folder.File("none")), Throws.TypeOf<DirectoryNotFoundException>());
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
                Encoding.UTF8.GetBytes(ConfigJson.Of(SingleConfig)));
            Assert.That(() => ResamplerModel.Open(folder.Path), Throws.TypeOf<FileNotFoundException>());
            Assert.That(() => ResamplerModel.Open(folder.File(ResamplerModel.ConfigFileName)),
                Throws.TypeOf<DirectoryNotFoundException>().With.Message.EndsWith(
                    "found a configuration; name the folder that holds it and the weights"));
        }
    }

    [Test]
    public void A_rejected_checkpoint_is_closed()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File(ResamplerModel.ConfigFileName), ConfigJson.Of(GatedConfig));
        string path = folder.File("model.safetensors");
        SafetensorsWriter.Write(path, [Zeros("x", 1)]);

        Assert.That(() => ResamplerModel.Open(folder.Path), Throws.TypeOf<InvalidModelException>());
        if (OperatingSystem.IsLinux())
            Assert.That(Directory.EnumerateFiles("/proc/self/fd").Select(file => new FileInfo(file).LinkTarget),
                Does.Not.Contain(path));
    }

    [Test]
    public void The_error_of_a_missing_tensor_names_its_shard()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File(ResamplerModel.ConfigFileName), ConfigJson.Of(GatedConfig));
        List<TensorToWrite> tensors = [.. Tensors(GatedConfig, new() { Prefix = "resampler." })];
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
    public void Warnings_are_available_on_the_model()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File(ResamplerModel.ConfigFileName),
            ConfigJson.Of(SingleConfig).Insert(1, "\"extra\": 1,"));
        SafetensorsWriter.Write(folder.File("model.safetensors"), Tensors(SingleConfig));

        using ResamplerModel model = ResamplerModel.Open(folder.Path);
        using Resampler resampler = Resampler.Load(folder.Path);

        Assert.That(model.Warnings, Is.EqualTo(new[] { "unknown field 'extra' was ignored" }));
        Assert.That(resampler.Warnings, Is.EqualTo(model.Warnings));
    }
}
