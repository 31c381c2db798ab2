using Microsoft.Extensions.Logging.Abstractions;
using MsResampler.Server.Hosting;
using MsResampler.Server.Metrics;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Tests.Batching;

/// <summary>Tests with a small model on a <see cref="FakeBackend"/>, whose pool must get every array back.</summary>
internal abstract class BatchingFixture
{
    /// <summary>The longest time that a test waits for something that must happen.</summary>
    protected static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private TestModel _model = null!;
    private TemporaryFolder _folder = null!;

    protected static ResamplerConfig Config { get; } = Configs.Of(Configs.Window(2, 2), Configs.None) with
    {
        VisionHiddenSize = 8,
    };

    protected FakeBackend Fake { get; private set; } = null!;

    protected CountingPool Pool { get; private set; } = null!;

    protected ManualTime Time { get; private set; } = null!;

    protected ServerSettings Settings { get; private set; } = null!;

    /// <summary>The same model, to compute expected values alone.</summary>
    protected Resampler Alone => _model.Engine;

    /// <summary>The model under test, once <see cref="StartAsync"/> was called.</summary>
    protected ServedModel Model { get; private set; } = null!;

    [OneTimeSetUp]
    public void WriteModel()
    {
        _model = new TestModel(Config);
        _folder = new TemporaryFolder();
        RandomModel.Write(_folder.Path, Config, System.Text.Encoding.UTF8.GetBytes(ConfigJson.Of(Config)), seed: 1);
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
    }

    [TearDown]
    public async Task StopModel()
    {
        if (Model is null)
            return;
        await Model.StopAsync(CancellationToken.None).WaitAsync(Patience);
        await Model.DisposeAsync();
        Model = null!;
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Pool.RentedCount, Is.Zero, "arrays that were not returned");
            Assert.That(Pool.ForeignCount, Is.Zero, "arrays that were returned twice");
        }
    }

    /// <summary>Loads the model.</summary>
    protected async Task StartAsync(string? encoder = null)
    {
        Model = new ServedModel("small", new ModelSettings { Path = _folder.Path, Threads = 1, Encoder = encoder },
            Settings, new ServerMetrics(), NullLoggerFactory.Instance,
            new ModelParts { Backend = Fake, Pool = Pool, Time = Time });
        await Model.Loading.WaitAsync(Patience);
        Assert.That(Model.State, Is.EqualTo(ModelState.Ready));
        Fake.Clear();
    }

    /// <summary>A request for images with random features.</summary>
    protected static InferenceRequest Images(int seed, string client, params PatchGrid[] grids)
        => new() { Client = client, Grids = grids, Features = Features(seed, grids) };

    /// <summary>Random features, other ones for every seed.</summary>
    protected static float[] Features(int seed, PatchGrid[] grids)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, (int)grids.Sum(grid => grid.PatchCount) * Config.VisionHiddenSize)
            .Select(_ => (float)((random.NextDouble() * 2) - 1))];
    }

    /// <summary>Sends a request; its answer must have the bits that its groups have alone.</summary>
    protected async Task SendAsync(InferenceRequest request, CancellationToken cancellationToken = default)
    {
        using InferenceResult result = await Model.InferAsync(request, cancellationToken).WaitAsync(Patience,
            CancellationToken.None);
        float[] tokens = new float[Alone.TokenLength(request.GroupCount)];
        float[] gate = new float[request.WantsGate ? Alone.GateLength(request.GroupCount) : 0];
        if (request.WantsGate)
            Alone.Resample(request.Features.Span, request.Frames, tokens, gate, CancellationToken.None);
        else
            Alone.Resample(request.Features.Span, request.Frames, tokens, CancellationToken.None);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(result.GroupCount, Is.EqualTo(request.GroupCount));
            Assert.That(result.Tokens.Span.SequenceEqual(tokens), "tokens");
            Assert.That(result.Gate.Span.SequenceEqual(gate), "gate");
        }
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
}
