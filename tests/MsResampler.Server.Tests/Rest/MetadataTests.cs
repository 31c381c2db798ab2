using System.Net;

namespace MsResampler.Server.Tests.Rest;

/// <summary>Health, metadata, and paths that do not exist.</summary>
internal sealed class MetadataTests : RestFixture
{
    [Test]
    public async Task TheServerHasAName()
    {
        Answer answer = await GetAsync("/v2");
        Assert.That(answer.Json.GetProperty("name").GetString(), Is.EqualTo("msresampler-server"));
        Assert.That(answer.Json.GetProperty("version").GetString(), Does.Match(@"^\d+\.\d+\.\d+[^+]*$"));
        Assert.That(answer.Json.GetProperty("extensions")[0].GetString(), Is.EqualTo("binary_tensor_data"));
    }

    [TestCase("/v2/health/live", 200, "{\"live\":true}")]
    [TestCase("/v2/health/ready", 503, "{\"ready\":false}", Description = "one of the models is broken")]
    [TestCase("/v2/models/small/ready", 200, "{\"name\":\"small\",\"ready\":true}")]
    [TestCase("/v2/models/small/versions/1/ready", 200, "{\"name\":\"small\",\"ready\":true}")]
    [TestCase("/v2/models/broken/ready", 503, "{\"name\":\"broken\",\"ready\":false}")]
    [TestCase("/v2/models/small/", 200, null)]
    public async Task HealthHasAStatusAndABody(string path, int status, string? body)
    {
        Answer answer = await GetAsync(path);
        Assert.That((int)answer.Status, Is.EqualTo(status));
        Assert.That(answer.ContentType, Is.EqualTo("application/json"));
        if (body is not null)
            Assert.That(answer.Text, Is.EqualTo(body));
    }

    [Test]
    public async Task HeadHasTheHeadersOfGet()
    {
        using HttpRequestMessage request = new(HttpMethod.Head, "/v2/health/live");
        using HttpResponseMessage response = await Client.SendAsync(request);
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(response.Content.Headers.ContentLength, Is.EqualTo("{\"live\":true}".Length));
    }

    [TestCase("/v2/models/small")]
    [TestCase("/v2/models/small/versions/1")]
    public async Task AModelDescribesItsTensors(string path)
    {
        Answer answer = await GetAsync(path);
        Assert.That(answer.Text, Is.EqualTo("{\"name\":\"small\",\"versions\":[\"1\"],\"platform\":\"msresampler\","
            + "\"inputs\":[{\"name\":\"features\",\"datatype\":\"FP32\",\"shape\":[-1,4]},"
            + "{\"name\":\"grids\",\"datatype\":\"INT32\",\"shape\":[-1,2]},"
            + "{\"name\":\"groups\",\"datatype\":\"INT32\",\"shape\":[-1]},"
            + "{\"name\":\"temporal_ids\",\"datatype\":\"INT32\",\"shape\":[-1]}],"
            + $"\"outputs\":[{{\"name\":\"tokens\",\"datatype\":\"FP32\",\"shape\":[-1,{Alone.TokenCount},"
            + $"{Alone.TokenWidth}]}},{{\"name\":\"gate\",\"datatype\":\"FP32\",\"shape\":[-1,{Alone.TokenCount},2,"
            + $"{Config.GateGroupCount}]}}]}}"));
    }

    [TestCase("/")]
    [TestCase("/v1/models/small")]
    [TestCase("/V2")]
    [TestCase("/v2/Health/live")]
    [TestCase("/v2/health")]
    [TestCase("/v2/models/")]
    [TestCase("/v2/models/small/versions")]
    [TestCase("/v2/models/small/infer/more")]
    [TestCase("/v2/models/small/READY")]
    [TestCase("/file.txt")]
    public async Task AnUnknownPathIs404(string path)
        => AssertError(await GetAsync(path), 404, $"'{path}'", "does not exist");

    [TestCase("/v2/models/Small")]
    [TestCase("/v2/models/none/ready")]
    [TestCase("/v2/models/none")]
    public async Task AnUnknownModelIs404(string path) => AssertError(await GetAsync(path), 404, "'broken', 'small'");

    [TestCase("/v2/models/small/versions/2", "'2'")]
    [TestCase("/v2/models/small/versions/01/ready", "'01'")]
    public async Task AnUnknownVersionIs404(string path, string found)
        => AssertError(await GetAsync(path), 404, "version '1'", found);

    [TestCase("/v2/models/broken")]
    public async Task AModelThatIsNotLoadedHasNoMetadata(string path)
        => AssertError(await GetAsync(path), 503, "'broken'", "could not be loaded");

    [TestCase("POST", "/v2", "GET, HEAD")]
    [TestCase("DELETE", "/v2/models/small", "GET, HEAD")]
    [TestCase("PUT", "/v2/health/live", "GET, HEAD")]
    [TestCase("GET", "/v2/models/small/infer", "POST")]
    [TestCase("OPTIONS", "/v2/models/small/versions/1/infer", "POST")]
    public async Task AWrongMethodIs405(string method, string path, string allowed)
    {
        using HttpRequestMessage request = new(new HttpMethod(method), path);
        using HttpResponseMessage response = await Client.SendAsync(request);
        Assert.That((int)response.StatusCode, Is.EqualTo(405));
        Assert.That(string.Join(", ", response.Content.Headers.Allow), Is.EqualTo(allowed));
        Assert.That(await response.Content.ReadAsStringAsync(), Does.StartWith("{\"error\":").And.Contains(method));
    }

    private async Task<Answer> GetAsync(string path)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, path);
        return await SendAsync(request);
    }
}
