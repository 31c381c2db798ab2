using System.Text.Json;
using MsResampler.Cli.Display;

namespace MsResampler.Tests.Cli;

/// <summary>The option <c>--weight-storage</c>.</summary>
internal sealed class WeightStorageTests : CliFixture
{
    /// <summary>Writes the model of the fixture in another element type.</summary>
    private string Convert(string type)
    {
        string folder = In($"model-{type}");
        CliRun.Of("convert", "--model", Model, "--out", folder, "--dtype", type, "--force").Succeeds();
        return folder;
    }

    private long WeightBytes(string model, string storage)
    {
        string file = In("bench-storage.json");
        CliRun run = CliRun.Of("bench", "--model", model, "--grid", "3x4", "--seconds", "0.05", "--backend", "cpu",
            "--weight-storage", storage, "--json", file).Succeeds();
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(file));
        long bytes = json.RootElement.GetProperty("weight_bytes").GetInt64();
        Assert.That(run.Output, Does.Contain($"weights in memory: {Quantity.Scaled(bytes)}B"));
        Assert.That(run.Output.Contains("16-bit weights", StringComparison.Ordinal),
            Is.EqualTo(storage == "as-stored" && model != Model));
        return bytes;
    }

    [Test]
    public void Tokens_are_the_same_and_weights_are_smaller([Values("f16", "bf16")] string type)
    {
        string model = Convert(type);
        string features = WriteNpy("features.npy", [3, 4, ChannelCount], Values(3 * 4 * ChannelCount, seed: 1));
        foreach (string storage in new[] { "float32", "as-stored" })
            CliRun.Of("run", "--model", model, "--features", features, "--out", In($"{storage}.npy"),
                "--weight-storage", storage).Succeeds();

        Assert.That(File.ReadAllBytes(In("as-stored.npy")), Is.EqualTo(File.ReadAllBytes(In("float32.npy"))));
        Assert.That(WeightBytes(model, "as-stored"), Is.LessThan(WeightBytes(model, "float32")));
        CliRun.Of("verify", "--model", model, "--weight-storage", "as-stored").Succeeds();
    }

    [Test]
    public void A_checkpoint_of_float32_takes_the_same_memory_either_way()
        => Assert.That(WeightBytes(Model, "as-stored"), Is.EqualTo(WeightBytes(Model, "float32")));

    [Test]
    public void Inspect_shows_the_memory_of_both()
    {
        string wide = CliRun.Of("inspect", Model).Succeeds().Output;
        string own = CliRun.Of("inspect", Convert("bf16")).Succeeds().Output;
        Assert.That((Bytes(wide, "float32"), Bytes(wide, "as-stored")), Is.EqualTo((Bytes(own, "float32"),
            Bytes(own, "float32"))));
        Assert.That(2 * Bytes(own, "as-stored"), Is.EqualTo(Bytes(own, "float32")));

        static long Bytes(string output, string storage)
        {
            string line = output.Split('\n').Single(line => line.Contains($"in memory, {storage} ",
                StringComparison.Ordinal));
            return long.Parse(string.Concat(line.Where(char.IsAsciiDigit).Skip(storage == "float32" ? 2 : 0)),
                System.Globalization.CultureInfo.InvariantCulture);
        }
    }

    [Test]
    public void Integers_of_a_checkpoint_exclude_it()
    {
        CliRun run = CliRun.Of("verify", "--model", Convert("int8"), "--backend", "cpu", "--weight-storage",
            "as-stored");
        Assert.That(run.ExitCode, Is.Not.Zero);
        Assert.That(run.Error, Does.Contain("--weight-storage as-stored").And.Contain("a model of integers"));
    }
}
