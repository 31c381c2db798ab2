using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using MsResampler.Server.Hosting;
using MsResampler.Server.Limits;

namespace MsResampler.Server.Tests.Rest;

/// <summary>A server with a small model of 4 channels, 'small', and another one that cannot be loaded, 'broken'. After
/// each test no memory for requests is reserved.</summary>
internal abstract class RestFixture
{
    protected const string InferPath = "/v2/models/small/infer";
    protected const string Grids = "{\"name\":\"grids\",\"shape\":[1,2],\"datatype\":\"INT32\",\"data\":[1,2]}";
    protected const string Features =
        "{\"name\":\"features\",\"shape\":[2,4],\"datatype\":\"FP32\",\"data\":[1,2,3,4,5,6,7,8]}";

    /// <summary>A request that has an answer.</summary>
    protected const string Good = "{\"inputs\":[" + Features + "," + Grids + "]}";

    /// <summary>The longest time that a test waits for something that must happen.</summary>
    protected static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private TestModel _model = null!;
    private TemporaryFolder _folder = null!;

    protected static ResamplerConfig Config { get; } = Configs.Of(Configs.Window(2, 2), Configs.None) with
    {
        VisionHiddenSize = 4,
    };

    protected RunningServer Server { get; private set; } = null!;

    protected HttpClient Client { get; private set; } = null!;

    /// <summary>The same model, to compute expected values.</summary>
    protected Resampler Alone => _model.Engine;

    [OneTimeSetUp]
    public async Task StartServer()
    {
        _model = new TestModel(Config);
        _folder = new TemporaryFolder();
        RandomModel.Write(_folder.Path, Config, Encoding.UTF8.GetBytes(ConfigJson.Of(Config)), seed: 1);
        string broken = Directory.CreateDirectory(_folder.File("broken")).FullName;
        File.WriteAllText(Path.Combine(broken, "config.json"), "{}");
        ServerSettings settings = new() { MaxRequestBytes = 1 << 20, ClientHeader = "X-Client" };
        settings.Models["small"] = new ModelSettings { Path = _folder.Path, Backend = "cpu", Threads = 1 };
        settings.Models["broken"] = new ModelSettings { Path = broken, Backend = "cpu", Threads = 1 };
        Change(settings);
        Server = await RunningServer.StartAsync(settings);
        Client = new HttpClient { BaseAddress = Server.Http, Timeout = Patience };
    }

    [OneTimeTearDown]
    public async Task StopServer()
    {
        Client.Dispose();
        await Server.DisposeAsync();
        _model.Dispose();
        _folder.Dispose();
    }

    [TearDown]
    public async Task AllMemoryIsFree()
    {
        MemoryBudget budget = (MemoryBudget)Server.Application.Services.GetService(typeof(MemoryBudget))!;
        DateTime limit = DateTime.UtcNow + Patience;
        while (budget.Used != 0 && DateTime.UtcNow < limit)
            await Task.Delay(5);
        Assert.That(budget.Used, Is.Zero, "bytes that are still reserved");
    }

    /// <summary>Changes the settings of the server.</summary>
    protected virtual void Change(ServerSettings settings)
    {
    }

    /// <summary>Sends a body to the model.</summary>
    protected async Task<Answer> SendAsync(byte[] body, int? jsonLength = null, string path = InferPath)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = new ByteArrayContent(body) };
        if (jsonLength is not null)
            request.Headers.Add("Inference-Header-Content-Length", $"{jsonLength}");
        return await SendAsync(request);
    }

    /// <summary>Sends JSON to the model.</summary>
    protected Task<Answer> SendAsync(string json) => SendAsync(Encoding.UTF8.GetBytes(json));

    /// <summary>Sends a request.</summary>
    protected async Task<Answer> SendAsync(HttpRequestMessage request)
    {
        using HttpResponseMessage response = await Client.SendAsync(request);
        byte[] body = await response.Content.ReadAsByteArrayAsync();
        bool isBinary = response.Headers.TryGetValues("Inference-Header-Content-Length",
            out IEnumerable<string>? values);
        int? jsonLength = isBinary ? int.Parse(values!.Single()) : null;
        return new Answer(response.StatusCode, response.Content.Headers.ContentType?.ToString(), body, jsonLength,
            response.Headers.RetryAfter?.ToString());
    }

    /// <summary>Sends bytes over a connection of its own, in pieces, and returns all that comes back until the server
    /// closes the connection or nothing more is expected.</summary>
    protected async Task<string> SendRawAsync(IEnumerable<byte[]> pieces, int answerCount, bool halfClose = false)
    {
        using TcpClient connection = new() { NoDelay = true };
        await connection.ConnectAsync(IPAddress.Loopback, Server.Http.Port);
        await using NetworkStream stream = connection.GetStream();
        using CancellationTokenSource patience = new(Patience);
        StringBuilder text = new();
        try
        {
            foreach (byte[] piece in pieces)
                await stream.WriteAsync(piece, patience.Token);
            if (halfClose)
                connection.Client.Shutdown(SocketShutdown.Send);
            byte[] buffer = new byte[1 << 16];
            while (CountAnswers(text.ToString()) < answerCount
                && await stream.ReadAsync(buffer, patience.Token) is var count and > 0)
                text.Append(Encoding.Latin1.GetString(buffer, 0, count));
        }
        catch (IOException)
        {
            // The server has closed the connection: what came before counts.
        }

        return text.ToString();
    }

    /// <summary>The head of a request and its body.</summary>
    protected static byte[] Http(string body, params string[] headers)
        => Encoding.Latin1.GetBytes($"POST {InferPath} HTTP/1.1\r\nHost: localhost\r\n"
            + string.Concat(headers.Select(header => header + "\r\n")) + "\r\n" + body);

    /// <summary>Values as raw bytes.</summary>
    protected static byte[] Raw<T>(params T[] values)
        where T : unmanaged
        => MemoryMarshal.AsBytes<T>(values).ToArray();

    /// <summary>Asserts that an answer is an error with words.</summary>
    protected static void AssertError(Answer answer, int status, params string[] words)
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That((int)answer.Status, Is.EqualTo(status), answer.Text);
            Assert.That(answer.ContentType, Is.EqualTo("application/json"));
            Assert.That(answer.Json.EnumerateObject().Select(member => member.Name), Is.EqualTo(new[] { "error" }));
            foreach (string word in words)
                Assert.That(answer.Error, Does.Contain(word));
        }
    }

    private static int CountAnswers(string text)
    {
        int count = 0;
        while (text.IndexOf("\r\n\r\n", StringComparison.Ordinal) is var end and >= 0)
        {
            string head = text[..end];
            int start = head.IndexOf("Content-Length: ", StringComparison.Ordinal) + "Content-Length: ".Length;
            int length = int.Parse(head[start..].Split("\r\n")[0]);
            if (text.Length < end + 4 + length)
                break;
            text = text[(end + 4 + length)..];
            count++;
        }

        return count;
    }

    /// <summary>An answer.</summary>
    internal sealed record Answer(HttpStatusCode Status, string? ContentType, byte[] Body, int? JsonLength,
        string? RetryAfter)
    {
        public string Text => Encoding.UTF8.GetString(Body.AsSpan(0, JsonLength ?? Body.Length));

        public JsonElement Json => JsonDocument.Parse(Text).RootElement;

        public string Error => Json.GetProperty("error").GetString()!;

        public byte[] Binary => Body[(JsonLength ?? Body.Length)..];

        public JsonElement Output(int index) => Json.GetProperty("outputs")[index];

        public float[] Data(int index)
            => [.. Output(index).GetProperty("data").EnumerateArray().Select(value => value.GetSingle())];
    }
}
