using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace MsResampler.Vision.Tests.Hosting;

/// <summary>Tests of services, with the files of a small model and a small encoder.</summary>
internal abstract class ServiceFixture
{
    private TemporaryFolder _folder = null!;

    protected static byte[] Photo { get; } = TestImages.Png(40, 30, 1);

    protected string ModelPath { get; private set; } = null!;

    protected string EncoderPath { get; private set; } = null!;

    [OneTimeSetUp]
    public void WriteFiles()
    {
        _folder = new TemporaryFolder();
        ModelPath = WriteModel("model", json => json);
        EncoderPath = new SmallVit().WriteTo(_folder.File("encoder"));
    }

    [OneTimeTearDown]
    public void DeleteFiles() => _folder.Dispose();

    /// <summary>Writes a model, with an edited configuration.</summary>
    protected string WriteModel(string name, Func<string, string> edit)
    {
        ResamplerConfig config = Configs.Of(Configs.Window(2, 2), Configs.None) with { VisionHiddenSize = 8 };
        string path = _folder.File(name);
        Directory.CreateDirectory(path);
        RandomModel.Write(path, config, System.Text.Encoding.UTF8.GetBytes(edit(ConfigJson.Of(config))), seed: 1);
        return path;
    }

    /// <summary>The services of the model and the encoder, with a log and a health check.</summary>
    protected ServiceProvider Build(RecordedLog log, Action<MsResamplerOptions>? configure = null)
    {
        ServiceCollection services = new();
        services.AddLogging(builder => builder.SetMinimumLevel(LogLevel.Debug).AddProvider(log));
        services.AddMsResampler(options =>
        {
            (options.ModelPath, options.EncoderPath) = (ModelPath, EncoderPath);
            configure?.Invoke(options);
        });
        services.AddHealthChecks().AddMsResampler();
        return services.BuildServiceProvider();
    }

    protected static async Task<HealthReportEntry> CheckAsync(IServiceProvider services)
        => (await services.GetRequiredService<HealthCheckService>().CheckHealthAsync()).Entries["msresampler"];

    /// <summary>Asks until the model is neither loading nor warming up.</summary>
    protected static async Task<HealthReportEntry> CheckUntilDoneAsync(IServiceProvider services)
    {
        HostedModel model = services.GetRequiredService<HostedModel>();
        HealthReportEntry entry = await CheckAsync(services);
        while (model.State is not (HostedModelState.Ready or HostedModelState.Failed))
        {
            Assert.That(entry.Status, Is.EqualTo(HealthStatus.Unhealthy).Or.EqualTo(HealthStatus.Healthy));
            await Task.Delay(5);
            entry = await CheckAsync(services);
        }

        return await CheckAsync(services);
    }
}
