using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace MsResampler.Vision.Tests.Hosting;

internal sealed class OptionsTests : ServiceFixture
{
    private const string Section = "MsResampler";

    [Test]
    public void A_configuration_sets_the_options()
    {
        MsResamplerOptions options = Read(("EncoderPath", EncoderPath), ("WarmUp", "false"),
            ("WarmUpGrids:0:Rows", "3"), ("WarmUpGrids:0:Columns", "5"), ("Tokenizer:BatchSize", "4"),
            ("Tokenizer:MaxConcurrentCalls", "7"), ("Tokenizer:Encoder:ThreadCount", "2"),
            ("Tokenizer:Encoder:InputLayout", "ChannelsFirst"), ("Tokenizer:Encoder:Preprocessing", "SigLIP"),
            ("Tokenizer:Resampler:Backend", "CPU"),
            ("Tokenizer:Resampler:Precision", "Int8"), ("Tokenizer:Resampler:ThreadCount", "3"),
            ("Tokenizer:Resampler:Layout", "minicpm-v-2.6"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That((options.ModelPath, options.EncoderPath, options.WarmUp),
                Is.EqualTo((ModelPath, EncoderPath, false)));
            Assert.That(options.Tokenizer.Encoder.Preprocessing, Is.EqualTo(ImagePreprocessing.SigLip));
            Assert.That(options.WarmUpGrids, Is.EqualTo(new[] { new PatchGrid(3, 5) }));
            Assert.That((options.Tokenizer.BatchSize, options.Tokenizer.MaxConcurrentCalls,
                options.Tokenizer.Encoder.ThreadCount, options.Tokenizer.Encoder.InputLayout),
                Is.EqualTo((4, 7, 2, PixelLayout.ChannelsFirst)));
            Assert.That(options.Tokenizer.Resampler, Is.EqualTo(new ResamplerOptions
            {
                Precision = Precision.Int8,
                ThreadCount = 3,
                Layout = CheckpointLayout.MiniCpmV26,
                Backend = Backend.Cpu,
                CreateWorkers = options.Tokenizer.Resampler.CreateWorkers,
            }));
        }
    }

    [Test]
    public void Code_adds_to_a_configuration()
    {
        ServiceCollection services = new();
        services.AddMsResampler(Configuration([("Tokenizer:Resampler:ThreadCount", "3")]));
        services.AddMsResampler(options => options.Tokenizer.Resampler = options.Tokenizer.Resampler with
        {
            Precision = Precision.Int8,
        });
        using ServiceProvider provider = services.BuildServiceProvider();
        Resampler resampler = provider.GetRequiredService<Resampler>();
        Assert.That(resampler.Precision, Is.EqualTo(Precision.Int8));
        Assert.That(provider.GetRequiredService<IOptions<MsResamplerOptions>>().Value.Tokenizer.Resampler.ThreadCount,
            Is.EqualTo(3));
    }

    [TestCase("ModelPath", "", "ModelPath: expected the folder or file of a model, found none")]
    [TestCase("ModelPath", "no-model", "ModelPath: expected a model, found no file or folder")]
    [TestCase("EncoderPath", "no.onnx", "EncoderPath: expected the .onnx file of an encoder")]
    [TestCase("Modelpaths", "x", "MsResampler: expected properties of MsResamplerOptions, found the keys 'Modelpaths'")]
    [TestCase("Tokenizer:Resampler:Precisoin", "Int8", "ResamplerOptions, found the keys 'Precisoin'")]
    [TestCase("Tokenizer:Encoder:Preprocessing", "vit", "MsResampler:Tokenizer:Encoder:Preprocessing: expected clip,")]
    [TestCase("Tokenizer:Encoder:Preprocessing:Crop:Height", "9", "Preprocessing: expected clip, siglip, imagenet, or")]
    [TestCase("Tokenizer:Resampler:Precision", "Int4", "Int4")]
    [TestCase("Tokenizer:Resampler:Backend", "cuda",
        "MsResampler:Tokenizer:Resampler:Backend: expected 'cpu', found 'cuda'; set other backends in code")]
    [TestCase("Tokenizer:Resampler:Layout", "llava",
        "MsResampler:Tokenizer:Resampler:Layout: expected one of ms-resampler, ")]
    [TestCase("Tokenizer:Resampler:ThreadCount", "-1",
        "Tokenizer.Resampler.ThreadCount: expected at least 0, found -1")]
    [TestCase("Tokenizer:Encoder:ThreadCount", "-1", "Tokenizer.Encoder.ThreadCount: expected at least 0, found -1")]
    [TestCase("Tokenizer:BatchSize", "0", "Tokenizer.BatchSize: expected at least 1, found 0")]
    [TestCase("Tokenizer:DecoderCount", "-2", "Tokenizer.DecoderCount: expected at least 0, found -2")]
    [TestCase("Tokenizer:MaxConcurrentCalls", "0", "Tokenizer.MaxConcurrentCalls: expected at least 1, found 0")]
    [TestCase("WarmUpGrids:0:Rows", "4", "WarmUpGrids: expected grids of at least 1x1 patches, found 4x0")]
    public void An_error_names_the_key_and_what_was_expected(string key, string value, string message)
        => Assert.That(() => Read((key, value)),
            Throws.TypeOf<OptionsValidationException>().With.Message.Contains(message));

    private MsResamplerOptions Read(params (string Key, string Value)[] values)
    {
        using ServiceProvider services = new ServiceCollection().AddMsResampler(Configuration(values))
            .BuildServiceProvider();
        return services.GetRequiredService<IOptions<MsResamplerOptions>>().Value;
    }

    private IConfigurationSection Configuration((string Key, string Value)[] values)
    {
        Dictionary<string, string?> settings = new() { [$"{Section}:ModelPath"] = ModelPath };
        foreach ((string key, string value) in values)
            settings[$"{Section}:{key}"] = value;
        return new ConfigurationBuilder().AddInMemoryCollection(settings).Build().GetSection(Section);
    }
}
