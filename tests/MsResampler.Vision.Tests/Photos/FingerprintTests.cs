using Google.Protobuf;
using MsResampler.Cli.Photos;
using MsResampler.Onnx.Proto;

namespace MsResampler.Vision.Tests.Photos;

/// <summary>What a run is compared with when it is resumed.</summary>
internal sealed class FingerprintTests : PhotoFixture
{
    [Test]
    public void External_weights_belong_to_an_encoder()
    {
        string path = In("external.onnx");
        File.WriteAllBytes(path, ModelWith("weights/a.bin"));
        Directory.CreateDirectory(In("weights"));
        File.WriteAllText(In("weights/a.bin"), "first");
        string first = Fingerprint.OfEncoder(path, CancellationToken.None);
        File.WriteAllText(In("weights/a.bin"), "other");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ExternalData.LocationsIn(path), Is.EqualTo(new[] { "weights/a.bin" }));
            Assert.That(ExternalData.LocationsIn(Encoder), Is.Empty);
            Assert.That(Fingerprint.OfEncoder(path, CancellationToken.None), Is.Not.EqualTo(first));
        }
    }

    [Test]
    public void Other_tensors_beside_a_resampler_do_not_belong_to_it()
    {
        string copy = In("copy");
        Directory.CreateDirectory(copy);
        foreach (string file in Directory.GetFiles(Model))
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        string fingerprint = Fingerprint.OfModel(Model, null, CancellationToken.None);
        File.WriteAllText(Path.Combine(copy, "notes.txt"), "notes");
        Assert.That(Fingerprint.OfModel(copy, null, CancellationToken.None), Is.EqualTo(fingerprint));
        string weights = Path.Combine(copy, "model.safetensors");
        byte[] bytes = File.ReadAllBytes(weights);
        bytes[^2] ^= 1;
        File.WriteAllBytes(weights, bytes);
        Assert.That(Fingerprint.OfModel(copy, null, CancellationToken.None), Is.Not.EqualTo(fingerprint));
    }

    [TestCase("--prefix-tokens", "1", "--prefix-tokens")]
    [TestCase("--encoder-output", "", "--encoder-output")]
    public void A_run_is_not_resumed_with_other_features(string option, string value, string setting)
    {
        TestImages.Write(In("few"), 2);
        string output = In("resumed" + setting);
        Run("--images", In("few"), "--out", output).Succeeds();
        string settings = Path.Combine(output, "tokens.run.json");
        if (value.Length > 0)
        {
            Run("--images", In("few"), "--out", output, option, value).FailsNaming(setting);
            return;
        }

        Assert.That(File.ReadAllText(settings), Does.Contain("\"encoder_output\": \"last_hidden_state\""));
        File.WriteAllText(settings, File.ReadAllText(settings).Replace("last_hidden_state", "other",
            StringComparison.Ordinal));
        Run("--images", In("few"), "--out", output).FailsNaming(setting, "last_hidden_state");
    }

    /// <summary>A model with a tensor in another file, which our protocol buffers do not describe.</summary>
    private static byte[] ModelWith(string location)
    {
        byte[] entry = Field(1, "location"u8.ToArray()).Concat(Field(2, System.Text.Encoding.UTF8.GetBytes(location)))
            .ToArray();
        byte[] tensor = [.. new TensorProto { Name = "w", DataType = 1 }.ToByteArray(), .. Field(13, entry)];
        return [.. new ModelProto { IrVersion = 8 }.ToByteArray(), .. Field(7, Field(5, tensor))];
    }

    private static byte[] Field(int number, byte[] content)
        => [(byte)((number << 3) | 2), (byte)content.Length, .. content];
}
