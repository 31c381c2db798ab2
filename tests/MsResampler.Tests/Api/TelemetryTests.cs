using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace MsResampler.Tests.Api;

/// <summary>Activities and measurements of calls.</summary>
internal sealed class TelemetryTests : ResamplerFixture
{
    private const string Operation = "msresampler.operation";
    private const string Error = "error.type";

    [Test]
    public void Calls_are_measured()
    {
        using Resampler resampler = Load();
        using Recorder recorder = new();

        resampler.Resample([.. Features[0], .. Features[2]], [Grids[0], Grids[2]]);
        resampler.Resample([.. Features[0], .. Features[2]], new FrameGroups([Grids[0], Grids[2]], [0, 1], [2]));
        resampler.Explain(Features[0], Grids[0]);

        using (Assert.EnterMultipleScope())
        {
            Assert.That(recorder.Sum("msresampler.calls", "resample"), Is.EqualTo(2));
            Assert.That(recorder.Sum("msresampler.calls", "explain"), Is.EqualTo(1));
            Assert.That(recorder.Sum("msresampler.images", "resample"), Is.EqualTo(4), "images and frames");
            Assert.That(recorder.Sum("msresampler.tokens", "resample"), Is.EqualTo(2 * 9 + 9), "a group has M tokens");
            Assert.That(recorder.Sum("msresampler.tokens", "explain"), Is.EqualTo(9));
            Assert.That(recorder.Of("msresampler.queue", "resample").Select(found => found.Value),
                Is.EqualTo(new double[] { 1, -1, 1, -1 }));
            Measurement[] durations = recorder.Of("msresampler.duration", "resample");
            Assert.That(durations.Select(found => found.Value), Has.Exactly(2).Items.And.All.InRange(1e-6, 60));
            Assert.That(recorder.All.Select(found => found.Tags["msresampler.backend"]), Is.All.EqualTo("cpu"));
            Assert.That(recorder.All.Select(found => found.Tags["msresampler.precision"]), Is.All.EqualTo("float32"));
            Assert.That(recorder.All.Any(found => found.Tags.ContainsKey(Error)), Is.False);
        }
    }

    [Test]
    public void Errors_are_measured_by_their_type()
    {
        using Resampler resampler = Load();
        using Recorder recorder = new();
        float[] bad = [.. Features[0]];
        bad[7] = float.NaN;

        Assert.That(() => resampler.Resample(bad, Grids[0]), Throws.TypeOf<InvalidFeaturesException>());
        Assert.That(() => resampler.Resample(Features[0], Grids[1]), Throws.ArgumentException);
        Assert.That(() => resampler.Explain(Features[0], Grids[0], new CancellationToken(true)),
            Throws.InstanceOf<OperationCanceledException>());

        using (Assert.EnterMultipleScope())
        {
            Assert.That(recorder.Of("msresampler.calls", "resample").Select(found => found.Tags[Error]),
                Is.EqualTo(new[] { "MsResampler.InvalidFeaturesException", "System.ArgumentException" }));
            Assert.That(recorder.Of("msresampler.duration", "explain").Select(found => found.Tags[Error]),
                Has.Exactly(1).Matches<object?>(error => error!.ToString()!.EndsWith("CanceledException")));
            Assert.That(recorder.Of("msresampler.images", "resample"), Is.Empty);
            Assert.That(recorder.Of("msresampler.tokens", "resample"), Is.Empty);
            Assert.That(recorder.Sum("msresampler.queue", "resample"), Is.Zero);
            Assert.That(recorder.Of("msresampler.queue", "resample").Any(found => found.Tags.ContainsKey(Error)),
                Is.False, "both ends have the same tags");
            Activity failed = recorder.Activities.First();
            Assert.That((failed.Status, failed.GetTagItem(Error)),
                Is.EqualTo((ActivityStatusCode.Error, "MsResampler.InvalidFeaturesException")));
            Assert.That(failed.StatusDescription, Does.Contain("row 0, column 0, channel 7"));
        }
    }

    [Test]
    public void A_call_is_an_activity_within_that_of_its_caller()
    {
        using Resampler resampler = Load();
        using Recorder recorder = new();
        using Activity caller = new("caller");
        caller.Start();

        resampler.Resample(Features[2], Grids[2]);

        Activity activity = recorder.Activities.Single();
        using (Assert.EnterMultipleScope())
        {
            Assert.That((activity.OperationName, activity.Source.Name, activity.Status),
                Is.EqualTo(("resample", "MsResampler", ActivityStatusCode.Unset)));
            Assert.That(activity.ParentSpanId, Is.EqualTo(caller.SpanId));
            Assert.That(activity.TagObjects.ToDictionary(), Is.EquivalentTo(new Dictionary<string, object?>
            {
                ["msresampler.backend"] = "cpu",
                ["msresampler.precision"] = "float32",
                ["msresampler.image.count"] = 1L,
                ["msresampler.token.count"] = 9L,
            }));
            Assert.That(Activity.Current, Is.SameAs(caller));
        }
    }

    [Test]
    public void Instruments_have_units_descriptions_and_boundaries()
    {
        using Resampler resampler = Load();
        using Recorder recorder = new();
        resampler.Resample(Features[1], Grids[1]);

        Assert.That(recorder.Instruments.Select(instrument => (instrument.Name, instrument.Unit)), Is.EquivalentTo(new[]
        {
            ("msresampler.calls", "{call}"), ("msresampler.images", "{image}"), ("msresampler.tokens", "{token}"),
            ("msresampler.duration", "s"), ("msresampler.queue", "{call}"),
        }));
        Assert.That(recorder.Instruments.Select(instrument => instrument.Description), Is.All.Not.Empty);
        Assert.That(recorder.Instruments.OfType<Histogram<double>>().Single().Advice!.HistogramBucketBoundaries,
            Is.Ordered.And.All.InRange(0.001, 30));
    }

    private sealed record Measurement(string Name, double Value, Dictionary<string, object?> Tags);

    /// <summary>Listens to the source and the meter on the thread that created it: other fixtures run at the same
    /// time.</summary>
    private sealed class Recorder : IDisposable
    {
        private readonly int _thread = Environment.CurrentManagedThreadId;
        private readonly MeterListener _meters = new();
        private readonly ActivityListener _activities;
        private readonly ConcurrentQueue<Measurement> _found = new();

        public Recorder()
        {
            _meters.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name != "MsResampler")
                    return;
                Instruments.Add(instrument);
                listener.EnableMeasurementEvents(instrument);
            };
            _meters.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
            _meters.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
            _meters.Start();
            _activities = new ActivityListener
            {
                ShouldListenTo = source => source.Name == "MsResampler",
                Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
                ActivityStopped = activity =>
                {
                    if (Environment.CurrentManagedThreadId == _thread)
                        Activities.Add(activity);
                },
            };
            ActivitySource.AddActivityListener(_activities);
        }

        public List<Instrument> Instruments { get; } = [];

        public List<Activity> Activities { get; } = [];

        public Measurement[] All => [.. _found];

        public Measurement[] Of(string name, string operation)
            => [.. _found.Where(found => found.Name == name && (string?)found.Tags[Operation] == operation)];

        public double Sum(string name, string operation) => Of(name, operation).Sum(found => found.Value);

        public void Dispose()
        {
            _meters.Dispose();
            _activities.Dispose();
        }

        private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            if (Environment.CurrentManagedThreadId == _thread)
                _found.Enqueue(new Measurement(instrument.Name, value, new(tags.ToArray())));
        }
    }
}
