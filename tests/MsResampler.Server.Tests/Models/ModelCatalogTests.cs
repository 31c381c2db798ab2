using Microsoft.Extensions.Logging.Abstractions;
using MsResampler.Server.Hosting;
using MsResampler.Server.Metrics;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;
using MsResampler.Server.Tests.Batching;

namespace MsResampler.Server.Tests.Models;

/// <summary>Tests of <see cref="ModelCatalog"/>.</summary>
internal sealed class ModelCatalogTests : BatchingFixture
{
    [Test]
    public async Task ModelsAreFoundByNameAndVersion()
    {
        await using ModelCatalog catalog = Load(("b", ModelPath), ("a", ModelPath));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(catalog.All.Select(model => model.Name), Is.EqualTo(new[] { "a", "b" }));
            Assert.That(catalog.Find("a").Name, Is.EqualTo("a"));
            Assert.That(catalog.Find("b", "1").Name, Is.EqualTo("b"));
            Assert.That(catalog.Find("b", "").Name, Is.EqualTo("b"));
            Assert.That(Error(() => catalog.Find("A")), Does.Contain("'a', 'b'").And.Contain("'A'"));
            Assert.That(Error(() => catalog.Find("a", "2")), Does.Contain("'1'").And.Contain("'2'"));
        }
    }

    [Test]
    public async Task LongNamesAreShortenedInErrors()
    {
        await using ModelCatalog catalog = Load(("a", ModelPath));
        string text = new('x', 10_000);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Error(() => catalog.Find(text)), Has.Length.LessThan(200));
            Assert.That(Error(() => catalog.Find("a", text)), Has.Length.LessThan(200));
        }
    }

    [Test]
    public async Task AServerIsReadyWhenAllItsModelsAreUntilItDrains()
    {
        await using ModelCatalog good = Load(("a", ModelPath), ("b", ModelPath));
        await using ModelCatalog bad = Load(("a", ModelPath), ("b", ModelPath + "-missing"));
        await Task.WhenAll(good.All.Concat(bad.All).Select(model => model.Loading)).WaitAsync(Patience);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(good.IsReady);
            Assert.That(bad.IsReady, Is.False);
            Assert.That(bad.IsLive, "other models may work");
            Assert.That(bad.Find("a").State, Is.EqualTo(ModelState.Ready));
        }

        good.IsDraining = true;
        Assert.That(good.IsReady, Is.False);
        using (InferenceResult result = await good.Find("a").InferAsync(Images(1, "a", new PatchGrid(1, 1)),
            CancellationToken.None))
            Assert.That(result.GroupCount, Is.EqualTo(1), "it still answers");
        Assert.That(await good.StopAsync(CancellationToken.None).WaitAsync(Patience), Is.Zero);
        Assert.That((await FailureOf(good.Find("a").InferAsync(Images(1, "a", new PatchGrid(1, 1)),
            CancellationToken.None))).Kind, Is.EqualTo(ErrorKind.Unavailable));
    }

    private static ModelCatalog Load(params (string Name, string Path)[] models)
    {
        ServerSettings settings = new();
        foreach ((string name, string path) in models)
            settings.Models.Add(name, new ModelSettings { Path = path, Backend = "cpu", Threads = 1 });
        return new ModelCatalog(settings, new ServerMetrics(), NullLoggerFactory.Instance);
    }

    private static string Error(Func<ServedModel> find)
    {
        ServerException exception = Assert.Throws<ServerException>(() => find())!;
        Assert.That(exception.Kind, Is.EqualTo(ErrorKind.NotFound));
        return exception.Message;
    }
}
