using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MsResampler.Vision.Tests.Hosting;

internal sealed class ServiceTests : ServiceFixture
{
    [Test]
    public void Services_share_one_model_that_ends_with_the_container()
    {
        using RecordedLog log = new();
        ServiceProvider services = Build(log);
        VisualTokenizer tokenizer = services.GetRequiredService<VisualTokenizer>();
        using VisualTokenizer alone = VisualTokenizer.Load(EncoderPath, ModelPath);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(services.GetRequiredService<Resampler>(), Is.SameAs(tokenizer.Resampler));
            Assert.That(services.GetRequiredService<VisionEncoder>(), Is.SameAs(tokenizer.Encoder));
            Assert.That(services.GetRequiredService<IEmbeddingGenerator<DataContent, VisualTokens>>(),
                Is.SameAs(tokenizer));
            Assert.That(tokenizer.Tokenize(Photo).Tokens.ToArray(),
                Is.EqualTo(alone.Tokenize(Photo).Tokens.ToArray()));
        }

        services.Dispose();
        Assert.That(() => tokenizer.Tokenize(Photo), Throws.TypeOf<ObjectDisposedException>());
        Assert.That(() => tokenizer.Resampler.WarmUp(), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public async Task Threads_that_ask_at_once_get_one_model()
    {
        using RecordedLog log = new();
        using ServiceProvider services = Build(log);
        HostedModel model = services.GetRequiredService<HostedModel>();
        HostedModelParts[] parts = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => model.Parts)));
        Assert.That(parts, Is.All.SameAs(parts[0]));
        Assert.That(log.Texts(1), Has.Length.EqualTo(1));
    }

    [Test]
    public void Without_an_encoder_there_is_a_resampler_for_features()
    {
        using RecordedLog log = new();
        using ServiceProvider services = Build(log, options => options.EncoderPath = null);
        Assert.That(services.GetRequiredService<Resampler>().Resample(new float[9 * 8], new PatchGrid(3, 3)),
            Is.Not.Empty);
        foreach (Type service in new[] { typeof(VisionEncoder), typeof(VisualTokenizer),
            typeof(IEmbeddingGenerator<DataContent, VisualTokens>) })
        {
            Assert.That(() => services.GetRequiredService(service), Throws.InvalidOperationException
                .With.Message.Contains("expected MsResamplerOptions.EncoderPath to name an ONNX vision encoder"));
        }
    }

    [Test]
    public async Task A_host_loads_and_warms_up_in_the_background()
    {
        using RecordedLog log = new();
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.SetMinimumLevel(LogLevel.Debug).AddProvider(log);
        builder.Services.AddMsResampler(options =>
        {
            (options.ModelPath, options.EncoderPath) = (ModelPath, EncoderPath);
            options.WarmUpGrids.Add(new PatchGrid(2, 3));
        });
        builder.Services.AddHealthChecks().AddMsResampler();
        using IHost host = builder.Build();

        await host.StartAsync();
        HealthReportEntry health = await CheckUntilDoneAsync(host.Services);
        await host.StopAsync();

        Resampler resampler = host.Services.GetRequiredService<Resampler>();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(health.Status, Is.EqualTo(HealthStatus.Healthy), health.Description);
            Assert.That(health.Data, Is.EquivalentTo(new Dictionary<string, object>
            {
                ["model"] = ModelPath,
                ["layout"] = "ms-resampler",
                ["backend"] = resampler.Description,
                ["precision"] = "Float32",
                ["warnings"] = 0,
                ["encoder"] = EncoderPath,
            }));
            // The grid of the configuration before that of the encoder's images.
            Assert.That(log.Events.Select(item => item.Id.Name), Is.EqualTo(new[]
                { "ModelLoaded", "BackendSelected", "EncoderLoaded", "GridPlanned", "GridPlanned", "WarmedUp" }));
            Assert.That(log.Texts(1).Single(),
                Does.StartWith($"Loaded the model {ModelPath}, layout ms-resampler, in "));
            Assert.That(log.Texts(2).Single(), Does.Contain(resampler.Description).And.Contain("Float32"));
            Assert.That(log.Texts(3).Single(), Does.Contain($"{EncoderPath}, 8 channels"));
            Assert.That(log.Texts(4)[0], Does.StartWith("The patch grid 2x3 is new; keys/values of the scopes: "));
            Assert.That(log.Texts(4)[1], Does.StartWith("The patch grid 4x4 is new"));
            Assert.That(log.Texts(5).Single(), Does.Match(@"^Warmed up in \d+\.\d\d s, with 1 patch grid"));
        }
    }

    [Test]
    public async Task Without_an_encoder_and_grids_the_first_call_is_warm_too()
    {
        using RecordedLog log = new();
        using ServiceProvider services = Build(log, options => options.EncoderPath = null);
        Assert.That((await CheckUntilDoneAsync(services)).Status, Is.EqualTo(HealthStatus.Healthy));
        QueryGrid grid = services.GetRequiredService<Resampler>().Config.QueryGrid;
        Assert.That(log.Texts(4).Single(), Does.StartWith($"The patch grid {grid.Rows}x{grid.Columns} is new"));
    }

    [Test]
    public async Task A_health_check_loads_a_model_that_nobody_has_asked_for()
    {
        using RecordedLog log = new();
        using ServiceProvider services = Build(log, options => options.WarmUp = false);
        HealthReportEntry first = await CheckAsync(services);
        Assert.That((first.Status, first.Description), Is.EqualTo((HealthStatus.Unhealthy,
            "the model is being loaded")));
        Assert.That((await CheckUntilDoneAsync(services)).Status, Is.EqualTo(HealthStatus.Healthy));
        Assert.That(log.Texts(5), Is.Empty, "no warm-up was asked for");
    }

    [Test]
    public async Task A_failure_is_the_same_for_every_caller_and_for_the_health_check()
    {
        string path = WriteModel("damaged",
            json => json.Replace("hidden_size", "hidden_sise", StringComparison.Ordinal));
        using RecordedLog log = new();
        using ServiceProvider services = Build(log, options => options.ModelPath = path);
        Exception? first = Assert.Catch(() => services.GetRequiredService<Resampler>());
        Exception? second = Assert.Catch(() => services.GetRequiredService<VisualTokenizer>());
        HealthReportEntry health = await CheckUntilDoneAsync(services);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(first, Is.TypeOf<InvalidModelException>());
            Assert.That(second, Is.SameAs(first));
            Assert.That(health.Status, Is.EqualTo(HealthStatus.Unhealthy));
            Assert.That(health.Exception, Is.SameAs(first));
            Assert.That(health.Description, Is.EqualTo($"the model cannot be used: {first!.Message}"));
            Assert.That(log.Events.Single().Id.Id, Is.EqualTo(7));
            Assert.That(log.Events.Single().Exception, Is.SameAs(first));
        }
    }

    [Test]
    public async Task A_warm_up_that_fails_makes_the_service_unhealthy()
    {
        using RecordedLog log = new();
        using ServiceProvider services = Build(log, options =>
            options.WarmUpGrids.Add(new PatchGrid(int.MaxValue, 1)));
        HealthReportEntry health = await CheckUntilDoneAsync(services);
        Assert.That(health.Status, Is.EqualTo(HealthStatus.Unhealthy));
        Assert.That(health.Exception, Is.TypeOf<ArgumentException>().With.Message.Contains("features and tokens"));
        Assert.That(services.GetRequiredService<VisualTokenizer>().Tokenize(Photo).Count, Is.GreaterThan(0));
    }

    [Test]
    public async Task A_container_that_ends_during_the_warm_up_is_no_failure()
    {
        using RecordedLog log = new();
        // Enough grids that the warm-up takes seconds.
        ServiceProvider services = Build(log, options =>
        {
            for (int columns = 1; columns <= 2000; columns++)
                options.WarmUpGrids.Add(new PatchGrid(50, columns));
        });
        HostedModel model = services.GetRequiredService<HostedModel>();
        Task warmUp = model.StartAsync(CancellationToken.None);
        while (model.State != HostedModelState.WarmingUp)
            await Task.Delay(1);
        services.Dispose();
        await warmUp;
        Assert.That(log.Events.Select(item => item.Id.Name), Has.No.Member("ModelFailed").And.No.Member("WarmedUp"));
    }

    [Test]
    public void A_plan_is_logged_once_although_its_grid_is_evicted()
    {
        using RecordedLog log = new();
        using ServiceProvider services = Build(log, options => options.Tokenizer.Resampler = new ResamplerOptions
        {
            GridCacheBytes = 0,
        });
        Resampler resampler = services.GetRequiredService<Resampler>();
        for (int call = 0; call < 3; call++)
            foreach (PatchGrid grid in new PatchGrid[] { new(2, 2), new(3, 2) })
                resampler.Resample(new float[grid.PatchCount * 8], grid);
        Assert.That(log.Texts(4).Select(text => text.Split(' ')[3]), Is.EqualTo(new[] { "2x2", "3x2" }));
    }

    [Test]
    public void Warnings_of_the_model_are_logged()
    {
        string path = WriteModel("warning", json => $"{{\"colour\": 1, {json[(json.IndexOf('{') + 1)..]}");
        using RecordedLog log = new();
        using ServiceProvider services = Build(log, options => options.ModelPath = path);
        Resampler resampler = services.GetRequiredService<Resampler>();
        Assert.That(log.Events.Where(item => item.Level == LogLevel.Warning).Select(item => item.Text),
            Is.Not.Empty.And.EqualTo(resampler.Warnings.Select(warning => $"The model {path}: {warning}")));
    }

    [Test]
    public void A_container_without_a_log_works()
    {
        using ServiceProvider services = new ServiceCollection()
            .AddMsResampler(options => options.ModelPath = ModelPath).BuildServiceProvider();
        Assert.That(services.GetRequiredService<Resampler>().TokenCount, Is.GreaterThan(0));
    }

    [Test]
    public void A_host_with_invalid_options_does_not_start()
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddMsResampler(options => options.ModelPath = ModelPath + "-missing");
        using IHost host = builder.Build();
        Assert.That(() => host.StartAsync(), Throws.TypeOf<OptionsValidationException>()
            .With.Message.Contains("found no file or folder"));
    }
}
