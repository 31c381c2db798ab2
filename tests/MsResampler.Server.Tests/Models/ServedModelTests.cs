using Microsoft.Extensions.Logging.Abstractions;
using MsResampler.Server.Hosting;
using MsResampler.Server.Metrics;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;
using MsResampler.Server.Tests.Batching;

namespace MsResampler.Server.Tests.Models;

/// <summary>Loading, states and metadata of a model.</summary>
internal sealed class ServedModelTests : BatchingFixture
{
    private static readonly PatchGrid s_grid = new(2, 2);

    [Test]
    public async Task MetadataDescribeTheModel()
    {
        await StartAsync();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Model.Shape, Is.EqualTo(new ModelShape(FeatureWidth: 8, TokenCount: 6, TokenWidth: 10,
                ScopeCount: 2, GateGroupCount: 3, HasEncoder: false)));
            Assert.That(Model.Inputs.Select(Describe), Is.EqualTo(new[]
            {
                "features Fp32,Fp16,Bf16 [-1,8]", "grids Int32 [-1,2]", "groups Int32 [-1]", "temporal_ids Int32 [-1]",
            }));
            Assert.That(Model.Outputs.Select(Describe), Is.EqualTo(new[]
            {
                "tokens Fp32,Fp16,Bf16 [-1,6,10]", "gate Fp32 [-1,6,2,3]",
            }));
        }
    }

    [Test]
    public async Task AModelWithAnEncoderAlsoTakesPictures()
    {
        await StartAsync(hasEncoder: true);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Model.Shape.HasEncoder);
            Assert.That(Model.Inputs.Select(Describe), Does.Contain("image Bytes [-1]"));
        }
    }

    [Test]
    public async Task FilesAreNotNeededAfterLoading()
    {
        string copy = Path.Combine(Path.GetDirectoryName(ModelPath)!, "copy");
        Directory.CreateDirectory(copy);
        foreach (string file in Directory.GetFiles(ModelPath))
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        await using ServedModel model = Load(new ModelSettings { Path = copy, Threads = 1 });
        await model.Loading.WaitAsync(Patience);
        Directory.Delete(copy, recursive: true);
        using InferenceResult result = await model.InferAsync(Images(1, "a", s_grid), CancellationToken.None);
        Assert.That(result.Tokens.Length, Is.EqualTo(60));
    }

    [Test]
    public async Task AModelThatIsBeingLoadedAsksClientsToComeBack()
    {
        using SemaphoreSlim mayLoad = new(0);
        Fake.Before = _ => Assert.That(mayLoad.Wait(Patience));
        await using ServedModel model = Load(new ModelSettings { Path = ModelPath, WarmUp = ["2x2"], Threads = 1 });
        ServerException failure = await FailureOf(model.InferAsync(Images(1, "a", s_grid), CancellationToken.None));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(model.State, Is.EqualTo(ModelState.Loading));
            Assert.That(failure.Kind, Is.EqualTo(ErrorKind.Unavailable));
            Assert.That(failure.Message, Does.Contain("'served'").And.Contain("loaded"));
            Assert.That(failure.RetryAfter, Is.Not.Null);
            Assert.That(() => model.Shape, Throws.InstanceOf<ServerException>());
            Assert.That(() => model.Inputs, Throws.InstanceOf<ServerException>());
            Assert.That(() => model.Outputs, Throws.InstanceOf<ServerException>());
        }

        mayLoad.Release();
        await model.Loading.WaitAsync(Patience);
        Assert.That(model.State, Is.EqualTo(ModelState.Ready));
        Assert.That(Fake.Calls.Single().PatchCounts, Is.EqualTo(new[] { 4 }), "the grid was warmed up");
    }

    [Test]
    public async Task AWarmUpThatFailsMakesTheModelUnusable()
    {
        Fake.Before = _ => throw new InvalidOperationException("secret " + ModelPath);
        await using ServedModel model = Load(new ModelSettings { Path = ModelPath, WarmUp = ["2x2"] });
        await AssertUnusableAsync(model, "secret", ModelPath);
    }

    [TestCase("path")]
    [TestCase("encoder")]
    [TestCase("preprocessing")]
    [TestCase("precision")]
    [TestCase("backend")]
    [TestCase("warm-up")]
    public async Task AModelThatCannotBeLoadedIsUnusableAndDoesNotTellPaths(string wrong)
    {
        string missing = Path.Combine(Path.GetDirectoryName(ModelPath)!, "missing");
        await using ServedModel model = new("served", new ModelSettings
        {
            Path = wrong == "path" ? missing : ModelPath,
            Encoder = wrong == "encoder" ? missing : wrong == "preprocessing" ? EncoderPath : null,
            Preprocessing = wrong == "preprocessing" ? missing : null,
            Precision = wrong == "precision" ? "float17" : "auto",
            Backend = wrong == "backend" ? "tpu" : "cpu",
            WarmUp = wrong == "warm-up" ? ["2x"] : [],
        }, Settings, new ServerMetrics(), NullLoggerFactory.Instance);
        await AssertUnusableAsync(model, "missing", ModelPath);
    }

    [Test]
    public async Task AnEncoderOfAnotherWidthMakesTheModelUnusable()
    {
        string encoder = new SmallVit { ChannelCount = 4 }.WriteTo(
            Path.Combine(Path.GetDirectoryName(ModelPath)!, "narrow"));
        await using ServedModel model = Load(new ModelSettings { Path = ModelPath, Encoder = encoder });
        await AssertUnusableAsync(model, "narrow", ModelPath);
    }

    [Test]
    public async Task AModelThatIsStoppedWhileItIsLoadedDoesNotBecomeReady()
    {
        using SemaphoreSlim isLoading = new(0);
        using SemaphoreSlim mayLoad = new(0);
        Fake.Before = call =>
        {
            isLoading.Release();
            Assert.That(mayLoad.Wait(Patience));
        };
        ServedModel model = Load(new ModelSettings { Path = ModelPath, WarmUp = ["2x2"] });
        Assert.That(await isLoading.WaitAsync(Patience));
        await model.DisposeAsync().AsTask().WaitAsync(Patience);
        ServerException failure = await FailureOf(model.InferAsync(Images(1, "a", s_grid), CancellationToken.None));
        Assert.That(failure.Kind, Is.EqualTo(ErrorKind.Unavailable));
        mayLoad.Release();
        await model.Loading.WaitAsync(Patience);
        Assert.That(model.State, Is.Not.EqualTo(ModelState.Ready));
    }

    [Test]
    public async Task TheBackendAutoIsOneThatWorks()
    {
        await using ServedModel model = new("served", new ModelSettings { Path = ModelPath }, Settings,
            new ServerMetrics(), NullLoggerFactory.Instance);
        await model.Loading.WaitAsync(Patience);
        Assert.That(model.State, Is.EqualTo(ModelState.Ready));
    }

    private ServedModel Load(ModelSettings settings) => new("served", settings, Settings, new ServerMetrics(),
        NullLoggerFactory.Instance, new ModelParts { Backend = Fake });

    private static async Task AssertUnusableAsync(ServedModel model, params string[] secrets)
    {
        await model.Loading.WaitAsync(Patience);
        ServerException failure = await FailureOf(model.InferAsync(Images(1, "a", s_grid), CancellationToken.None));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(model.State, Is.EqualTo(ModelState.LoadFailed));
            Assert.That(failure.Kind, Is.EqualTo(ErrorKind.Unavailable));
            Assert.That(failure.Message, Does.Contain("'served'"));
            foreach (string secret in secrets)
                Assert.That(failure.Message, Does.Not.Contain(secret));
        }
    }

    private static string Describe(TensorSpec spec)
        => $"{spec.Name} {string.Join(',', spec.Datatypes)} [{string.Join(',', spec.Shape)}]";
}
