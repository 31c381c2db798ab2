using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using MsResampler.Server.Hosting;
using MsResampler.Server.Metrics;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;
using MsResampler.Vision;

namespace MsResampler.Server.Tests.Batching;

/// <summary>Tests with a small model on a <see cref="FakeBackend"/>, whose pool must get every array back. A request
/// with features is in the queue when <see cref="ServedModel.InferAsync"/> returns its task.</summary>
internal abstract class BatchingFixture
{
    /// <summary>The longest time that a test waits for something that must happen.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Temporal ids change the tokens of groups, so that mixed-up ids are noticed.</summary>
    private static readonly ResamplerConfig s_config = Configs.Of(Configs.Window(2, 2), Configs.None) with
    {
        VisionHiddenSize = 8,
        PositionEmbedding = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.None,
            FrameEmbeddingType.SinCos1D),
    };

    private TestModel _model = null!;
    private TemporaryFolder _folder = null!;
    private Valve? _valve;
    private readonly ConcurrentBag<TrackedFeatures> _features = [];

    protected FakeBackend Fake { get; private set; } = null!;

    protected CountingPool Pool { get; private set; } = null!;

    protected ManualTime Time { get; private set; } = null!;

    protected ServerSettings Settings { get; private set; } = null!;

    /// <summary>The same model, to compute expected values alone.</summary>
    protected Resampler Alone => _model.Engine;

    protected ServerMetrics Metrics { get; private set; } = null!;

    /// <summary>The model under test, once <see cref="StartAsync"/> was called.</summary>
    protected ServedModel Model { get; private set; } = null!;

    /// <summary>The folder of the model.</summary>
    protected string ModelPath => _folder.File("model");

    /// <summary>An encoder for pictures.</summary>
    protected string EncoderPath { get; private set; } = null!;

    /// <summary>The valve of <see cref="HoldAsync"/>.</summary>
    protected Valve Valve => _valve!;

    [OneTimeSetUp]
    public void WriteModel()
    {
        _model = new TestModel(s_config);
        _folder = new TemporaryFolder();
        Directory.CreateDirectory(ModelPath);
        RandomModel.Write(ModelPath, s_config, System.Text.Encoding.UTF8.GetBytes(ConfigJson.Of(s_config)), seed: 1);
        EncoderPath = new SmallVit().WriteTo(_folder.File("encoder"));
    }

    [OneTimeTearDown]
    public void DeleteModel()
    {
        _model.Dispose();
        _folder.Dispose();
    }

    [SetUp]
    public void SetUpServer()
    {
        (Fake, Pool, Time) = (new FakeBackend(), new CountingPool(), new ManualTime());
        Settings = new ServerSettings { RequestTimeout = 0 };
        Metrics = new ServerMetrics();
        _features.Clear();
    }

    [TearDown]
    public async Task StopModel()
    {
        if (Model is null)
            return;
        _valve?.Open();
        await Model.StopAsync(CancellationToken.None).WaitAsync(Patience);
        await Model.DisposeAsync();
        Model = null!;
        _valve?.Dispose();
        _valve = null;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Pool.RentedCount, Is.Zero, "arrays that were not returned");
            Assert.That(Pool.ForeignCount, Is.Zero, "arrays that were returned twice");
            Assert.That(_features.Sum(features => features.LateReadCount), Is.Zero,
                "features that were read after the end of their request");
        }
    }

    /// <summary>Loads the model.</summary>
    protected async Task StartAsync(bool hasEncoder = false)
    {
        Model = new ServedModel("small", new ModelSettings
        {
            Path = ModelPath,
            Threads = 1,
            Encoder = hasEncoder ? EncoderPath : null,
        }, Settings, Metrics, NullLoggerFactory.Instance,
            new ModelParts { Backend = Fake, Pool = Pool, Time = Time });
        await Model.Loading.WaitAsync(Patience);
        Assert.That(Model.State, Is.EqualTo(ModelState.Ready));
        Fake.Clear();
    }

    /// <summary>Loads the model and keeps it busy.</summary>
    /// <returns>The request that is being computed.</returns>
    protected async Task<Task> StartHeldAsync(bool hasEncoder = false)
    {
        await StartAsync(hasEncoder);
        return await HoldAsync(Images(0, "first", new PatchGrid(1, 1)));
    }

    /// <summary>Keeps the model busy: from now on every computation waits for <see cref="Valve"/>.</summary>
    /// <param name="first">The request that is computed.</param>
    protected async Task<Task> HoldAsync(InferenceRequest first)
    {
        _valve = new Valve();
        Fake.Before = _valve.Hold;
        Task task = SendAsync(first);
        await _valve.EnteredAsync();
        return task;
    }

    /// <summary>A request for images with random features.</summary>
    protected static InferenceRequest Images(int seed, string client, params PatchGrid[] grids)
        => new() { Client = client, Grids = grids, Features = Features(seed, grids) };

    /// <summary>A request for groups of frames.</summary>
    protected static InferenceRequest Groups(int seed, string client, int[] frameCounts, bool wantsGate = false)
    {
        Random random = new(seed);
        PatchGrid[] grids = [.. Enumerable.Range(0, frameCounts.Sum())
            .Select(_ => new PatchGrid(random.Next(1, 5), random.Next(1, 5)))];
        return new InferenceRequest
        {
            Client = client,
            Grids = grids,
            FrameCounts = frameCounts,
            TemporalIds = [.. grids.Select(_ => random.Next(-1, 40))],
            Features = Features(seed, grids),
            WantsGate = wantsGate,
        };
    }

    /// <summary>A request for pictures, other ones for every seed.</summary>
    protected static InferenceRequest Pictures(string client, params int[] seeds) => new()
    {
        Client = client,
        Pictures = [.. seeds.Select(seed => (ReadOnlyMemory<byte>)TestImages.Png(20 + (seed % 5), 24, seed))],
    };

    /// <summary>Random features, other ones for every seed.</summary>
    protected static float[] Features(int seed, PatchGrid[] grids)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, (int)grids.Sum(grid => grid.PatchCount) * s_config.VisionHiddenSize)
            .Select(_ => (float)((random.NextDouble() * 2) - 1))];
    }

    /// <summary>Sends a request; its answer must have the bits that its groups have alone, and its features must not
    /// be read after its end.</summary>
    protected async Task SendAsync(InferenceRequest request, CancellationToken cancellationToken = default)
    {
        TrackedFeatures features = new(request.Features.ToArray());
        using InferenceResult result = await InferAsync();
        float[] tokens = new float[Alone.TokenLength(request.GroupCount)];
        float[] gate = new float[request.WantsGate ? Alone.GateLength(request.GroupCount) : 0];
        if (request.WantsGate)
            Alone.Resample(request.Features.Span, request.Frames, tokens, gate, CancellationToken.None);
        else
            Alone.Resample(request.Features.Span, request.Frames, tokens, CancellationToken.None);
        Check(result, request.GroupCount, tokens, gate);

        async Task<InferenceResult> InferAsync()
        {
            try
            {
                return await Model.InferAsync(new InferenceRequest
                {
                    Client = request.Client,
                    Grids = request.Grids,
                    FrameCounts = request.FrameCounts,
                    TemporalIds = request.TemporalIds,
                    Features = features.Memory,
                    WantsGate = request.WantsGate,
                    Timeout = request.Timeout,
                }, cancellationToken).WaitAsync(Patience, CancellationToken.None);
            }
            finally
            {
                features.Close();
                _features.Add(features);
            }
        }
    }

    /// <summary>Sends a request with pictures, and compares the answer with that of the library.</summary>
    protected async Task SendPicturesAsync(InferenceRequest request)
    {
        using InferenceResult result = await Model.InferAsync(request, CancellationToken.None).WaitAsync(Patience);
        using VisionEncoder encoder = VisionEncoder.Load(EncoderPath, new VisionEncoderOptions { ThreadCount = 1 });
        List<float> tokens = [];
        foreach (ReadOnlyMemory<byte> picture in request.Pictures)
        {
            using EncodedImages encoded = encoder.Encode(ImageInput.FromBytes(picture));
            tokens.AddRange(Alone.Resample(encoded.Features(0), encoded.Grid));
        }

        Check(result, request.GroupCount, [.. tokens], []);
    }

    /// <summary>The exception of a request without an answer.</summary>
    protected static async Task<ServerException> FailureOf(Task request)
    {
        try
        {
            await request.WaitAsync(Patience);
        }
        catch (ServerException exception)
        {
            return exception;
        }

        throw new AssertionException("expected a ServerException, found an answer");
    }

    /// <summary>Waits for what another thread is about to do.</summary>
    protected static async Task UntilAsync(Func<bool> condition)
    {
        Stopwatch time = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.That(time.Elapsed, Is.LessThan(Patience));
            await Task.Delay(1);
        }
    }

    private static void Check(InferenceResult result, int groupCount, float[] tokens, float[] gate)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.GroupCount, Is.EqualTo(groupCount));
            Assert.That(result.Tokens.Span.SequenceEqual(tokens), "expected the tokens of a call alone");
            Assert.That(result.Gate.Span.SequenceEqual(gate), "expected the gate weights of a call alone");
        }
    }
}
