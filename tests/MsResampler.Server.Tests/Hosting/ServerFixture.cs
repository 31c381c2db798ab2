using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using MsResampler.Server.Hosting;

namespace MsResampler.Server.Tests.Hosting;

/// <summary>Tests with a small model of random weights, named 'm', and a client.</summary>
internal abstract class ServerFixture
{
    /// <summary>The path that computes tokens.</summary>
    protected const string Infer = "/v2/models/m/infer";

    protected const string Ready = "/v2/health/ready";

    protected const string Live = "/v2/health/live";

    private const int Rows = 2;
    private const int Columns = 3;

    private TemporaryFolder _folder = null!;
    private HttpClient _client = null!;

    protected string Model => In("model");

    protected HttpClient Client => _client;

    /// <summary>A request with the features of one image.</summary>
    protected static string Body { get; } = BodyOf(imageCount: 1);

    [OneTimeSetUp]
    public void CreateModel()
    {
        _folder = new TemporaryFolder();
        // Other users must be able to read it.
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(_folder.Path, (UnixFileMode)0b111_101_101);
        _client = new HttpClient { Timeout = ServerRun.Patience };
        RandomModel.Write(Directory.CreateDirectory(Model).FullName, Configs.Mixed,
            Encoding.UTF8.GetBytes(ConfigJson.Of(Configs.Mixed)), seed: 1);
    }

    [OneTimeTearDown]
    public void DeleteModel()
    {
        _client.Dispose();
        _folder.Dispose();
    }

    protected string In(string name) => _folder.File(name);

    /// <summary>Settings of a server with the model.</summary>
    protected ServerSettings Settings() => new()
    {
        Models = new Dictionary<string, ModelSettings> { ["m"] = new() { Path = Model, Backend = "cpu", Threads = 1 } },
    };

    /// <summary>Starts a server process with the model and waits until it is ready.</summary>
    protected ServerRun StartReady(params string[] args) => Start(args).WaitUntilReady();

    /// <summary>Starts a server process with the model.</summary>
    protected ServerRun Start(params string[] args) => ServerRun.Start([.. ModelArguments, .. args]);

    protected string[] ModelArguments => ["--model", $"m={Model}", "--backend", "cpu", "--threads", "1"];

    /// <summary>A request with the features of images.</summary>
    protected static string BodyOf(int imageCount)
    {
        int rowCount = imageCount * Rows * Columns, width = Configs.Mixed.VisionHiddenSize;
        string data = string.Join(',', Enumerable.Range(0, rowCount * width)
            .Select(index => string.Create(CultureInfo.InvariantCulture, $"{(index % 17) * 0.25}")));
        string grids = string.Join(',', Enumerable.Repeat($"{Rows},{Columns}", imageCount));
        return $$"""
            {"inputs":[{"name":"features","shape":[{{rowCount}},{{width}}],"datatype":"FP32","data":[{{data}}]},
            {"name":"grids","shape":[{{imageCount}},2],"datatype":"INT32","data":[{{grids}}]}]}
            """;
    }

    /// <summary>Sends a request over a connection that others may use.</summary>
    protected Task<HttpResponseMessage> InferAsync(Uri server, string? body = null)
        => _client.PostAsync(new Uri(server, Infer), new StringContent(body ?? Body, Encoding.UTF8,
            "application/json"));

    protected async Task<HttpStatusCode> StatusAsync(Uri server, string path)
    {
        using HttpResponseMessage response = await _client.GetAsync(new Uri(server, path));
        return response.StatusCode;
    }

    protected async Task<MetricsText> MetricsAsync(Uri server)
        => new(await _client.GetStringAsync(new Uri(server, "/metrics")));

    /// <summary>Waits until a number of requests wait for their batch.</summary>
    protected void WaitUntilPending(ServerRun run, int count)
        => run.WaitFor(() => MetricsAsync(run.Http).Result.Of("nv_inference_pending_request_count", "m") >= count,
            "the requests wait");

    /// <summary>Asserts that an answer is an error with a message, in the format of the protocol.</summary>
    protected static async Task AssertErrorAsync(HttpResponseMessage response, HttpStatusCode status, string words)
    {
        JsonElement error = await response.Content.ReadFromJsonAsync<JsonElement>();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(response.StatusCode, Is.EqualTo(status));
            Assert.That(error.GetProperty("error").GetString(), Does.Contain(words));
        }
    }
}
