using System.Diagnostics;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace MsResampler.Vision.Tests.Hosting;

/// <summary>The wrappers of Microsoft.Extensions.AI around the service.</summary>
internal sealed class WrapperTests : ServiceFixture
{
    private const string SourceName = "MsResampler.Tests.Wrappers";

    private static readonly DataContent s_photo = new(Photo, "image/png");

    [Test]
    public async Task Cached_tokens_have_the_bits_of_computed_ones()
    {
        int callCount = 0;
        ServiceCollection services = new();
        services.AddMsResampler(options => (options.ModelPath, options.EncoderPath) = (ModelPath, EncoderPath));
        services.AddSingleton<IDistributedCache>(new MemoryDistributedCache(
            Options.Create(new MemoryDistributedCacheOptions())));
        services.AddEmbeddingGenerator(provider => provider.GetRequiredService<VisualTokenizer>())
            .UseDistributedCache().Use((values, options, inner, cancellationToken) =>
            {
                callCount++;
                return inner.GenerateAsync(values, options, cancellationToken);
            });
        using ServiceProvider provider = services.BuildServiceProvider();
        var generator = provider.GetRequiredService<IEmbeddingGenerator<DataContent, VisualTokens>>();

        VisualTokens computed = await generator.GenerateAsync(s_photo);
        VisualTokens cached = await generator.GenerateAsync(s_photo);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(callCount, Is.EqualTo(1));
            Assert.That(cached, Is.Not.SameAs(computed));
            Assert.That(Bits(cached), Is.EqualTo(Bits(computed)));
            Assert.That((cached.Count, cached.Width, cached.Grid, cached.ModelId, cached.CreatedAt), Is.EqualTo(
                (computed.Count, computed.Width, computed.Grid, computed.ModelId, computed.CreatedAt)));
        }

        _ = await generator.GenerateAsync(new DataContent(TestImages.Png(20, 30, 2), "image/png"));
        Assert.That(callCount, Is.EqualTo(2), "another photo is not in the cache");
    }

    [Test]
    public async Task Open_telemetry_sees_activities_and_metrics()
    {
        List<Activity> activities = [];
        List<Metric> metrics = [];
        using TracerProvider tracer = Sdk.CreateTracerProviderBuilder().AddSource(SourceName)
            .AddInMemoryExporter(activities).Build();
        using MeterProvider meter = Sdk.CreateMeterProviderBuilder().AddMeter(SourceName)
            .AddInMemoryExporter(metrics).Build();
        using RecordedLog log = new();
        using ServiceProvider services = Build(log);
        using IEmbeddingGenerator<DataContent, VisualTokens> generator =
            services.GetRequiredService<IEmbeddingGenerator<DataContent, VisualTokens>>().AsBuilder()
                .UseOpenTelemetry(sourceName: SourceName).Build();

        _ = await generator.GenerateAsync(s_photo);
        Assert.That(() => generator.GenerateAsync(new DataContent("no picture"u8.ToArray(), "text/plain")),
            Throws.ArgumentException);

        meter.ForceFlush();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(activities.Select(activity => (activity.DisplayName,
                activity.GetTagItem("gen_ai.provider.name"), activity.GetTagItem("error.type"))),
                Is.EqualTo(new (string, object?, object?)[]
                {
                    ("embeddings encoder", "msresampler", null),
                    ("embeddings encoder", "msresampler", typeof(ArgumentException).FullName),
                }));
            Assert.That(metrics.Select(metric => metric.Name), Has.Member("gen_ai.client.operation.duration"));
        }
    }

    [Test]
    public void The_generator_describes_itself()
    {
        using RecordedLog log = new();
        using ServiceProvider services = Build(log);
        VisualTokenizer tokenizer = services.GetRequiredService<VisualTokenizer>();
        EmbeddingGeneratorMetadata metadata = tokenizer.GetRequiredService<EmbeddingGeneratorMetadata>();
        Assert.That((metadata.ProviderName, metadata.DefaultModelId, metadata.DefaultModelDimensions),
            Is.EqualTo(("msresampler", "encoder", tokenizer.Resampler.TokenLength(1))));
    }

    [Test]
    public async Task Only_the_dimensions_of_the_model_are_accepted()
    {
        using RecordedLog log = new();
        using ServiceProvider services = Build(log);
        VisualTokenizer tokenizer = services.GetRequiredService<VisualTokenizer>();
        int length = tokenizer.Resampler.TokenLength(1);
        Assert.That((await tokenizer.GenerateAsync([s_photo], new() { Dimensions = length })).Single().Dimensions,
            Is.EqualTo(length));
        Assert.That(() => tokenizer.GenerateAsync([s_photo], new() { Dimensions = 7 }), Throws.ArgumentException
            .With.Message.Contains($"options.Dimensions: expected {length}").And.Message.Contains("found 7"));
    }

    private static int[] Bits(VisualTokens tokens)
        => [.. tokens.Tokens.ToArray().Select(BitConverter.SingleToInt32Bits)];
}
