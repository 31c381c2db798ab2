using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace MsResampler.Vision.Tests.Hosting;

/// <summary>Listeners hear every test of the process.</summary>
[NonParallelizable]
internal sealed class TelemetryTests : ServiceFixture
{
    private const string Name = "MsResampler";

    [Test]
    public async Task A_call_is_an_activity_with_its_stages()
    {
        using RecordedLog log = new();
        using ServiceProvider services = Build(log);
        VisualTokenizer tokenizer = services.GetRequiredService<VisualTokenizer>();
        ConcurrentQueue<Activity> ended = new();
        using ActivityListener listener = new()
        {
            ShouldListenTo = source => source.Name == Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = ended.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);

        _ = tokenizer.Tokenize(Photo);
        Assert.That(Describe(ended), Is.EqualTo(new[] { "decode < tokenize", "encode < tokenize",
            "resample < tokenize", "tokenize" }));
        ended.Clear();
        _ = await tokenizer.GenerateAsync([new DataContent(Photo, "image/png"), new DataContent(Photo, "image/png")]);
        Assert.That(Describe(ended), Is.EquivalentTo(new[] { "decode < tokenize", "decode < tokenize",
            "encode < tokenize", "encode < tokenize", "resample < tokenize", "resample < tokenize", "tokenize" }));
        Activity call = ended.Single(activity => activity.OperationName == "tokenize");
        Assert.That((call.GetTagItem("msresampler.image.count"), call.GetTagItem("msresampler.token.count")),
            Is.EqualTo((2L, 2L * tokenizer.Resampler.TokenCount)));
        ended.Clear();
        Assert.That(() => tokenizer.Tokenize("missing.png"), Throws.TypeOf<InvalidImageException>());
        Assert.That(ended.Select(activity => (activity.OperationName, activity.Status,
            activity.GetTagItem("error.type"))), Is.EqualTo(new (string, ActivityStatusCode, object?)[]
            {
                ("decode", ActivityStatusCode.Error, typeof(InvalidImageException).FullName),
                ("tokenize", ActivityStatusCode.Error, typeof(InvalidImageException).FullName),
            }));
    }

    [Test]
    public async Task Calls_images_tokens_seconds_and_the_queue_are_measured()
    {
        using RecordedLog log = new();
        using ServiceProvider services = Build(log, options => options.Tokenizer.MaxConcurrentCalls = 1);
        VisualTokenizer tokenizer = services.GetRequiredService<VisualTokenizer>();
        ConcurrentDictionary<(string, object?), double> sums = new();
        using MeterListener listener = new()
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == Name)
                    listener.EnableMeasurementEvents(instrument);
            },
        };
        void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? _)
        {
            object? operation = tags.ToArray().Single(tag => tag.Key == "msresampler.operation").Value;
            sums.AddOrUpdate((instrument.Name, operation), value, (_, known) => known + value);
        }

        listener.SetMeasurementEventCallback<long>((instrument, value, tags, state)
            => Add(instrument, value, tags, state));
        listener.SetMeasurementEventCallback<double>(Add);
        listener.Start();

        ImageInput image = ImageInput.FromBytes(Photo);
        using ManualResetEventSlim gate = new();
        using GatedStream stream = new(Photo, gate);
        Task[] calls = [tokenizer.TokenizeAsync(ImageInput.FromStream(stream)),
            .. Enumerable.Range(0, 4).Select(_ => tokenizer.TokenizeAsync(image))];
        Assert.That(sums[("msresampler.queue", "tokenize")], Is.EqualTo(5), "one works, and four wait for their turn");
        gate.Set();
        await Task.WhenAll(calls);
        Assert.That(() => tokenizer.TokenizeAsync(ImageInput.FromFile("missing.png")),
            Throws.TypeOf<InvalidImageException>());

        using (Assert.EnterMultipleScope())
        {
            foreach (string operation in new[] { "tokenize", "decode", "encode", "resample" })
            {
                bool sawFailure = operation is "tokenize" or "decode";
                Assert.That(sums[("msresampler.calls", operation)], Is.EqualTo(sawFailure ? 6 : 5), operation);
                Assert.That(sums[("msresampler.images", operation)], Is.EqualTo(5), operation);
                Assert.That(sums[("msresampler.duration", operation)], Is.GreaterThan(0), operation);
                Assert.That(sums[("msresampler.queue", operation)], Is.Zero, operation);
            }

            Assert.That(sums[("msresampler.tokens", "tokenize")], Is.EqualTo(5 * tokenizer.Resampler.TokenCount));
        }
    }

    private static string[] Describe(IEnumerable<Activity> ended) => [.. ended.Select(activity
        => activity.OperationName + (activity.Parent is { } parent ? $" < {parent.OperationName}" : ""))];

    /// <summary>A photo that cannot be read before the gate is open.</summary>
    private sealed class GatedStream(byte[] photo, ManualResetEventSlim gate) : MemoryStream(photo)
    {
        public override int Read(byte[] buffer, int offset, int count)
        {
            gate.Wait();
            return base.Read(buffer, offset, count);
        }
    }
}
