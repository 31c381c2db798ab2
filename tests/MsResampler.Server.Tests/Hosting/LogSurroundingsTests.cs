using System.Net;

namespace MsResampler.Server.Tests.Hosting;

/// <summary>A log that cannot be written never stops the service.</summary>
internal sealed class LogSurroundingsTests : ServerFixture
{
    private const int RequestCount = 200;

    /// <summary>Several lines for every request: those of all requests fill a pipe.</summary>
    private static readonly (string, string?)[] s_manyLines = [("Logging__LogLevel__Default", "Trace")];

    [OneTimeSetUp]
    public void NeedUnix() => Skip.If(!OperatingSystem.IsLinux(), "The descriptors are those of Linux.");

    [TestCase("> /dev/full 2> /dev/full", TestName = "A_full_disk_does_not_stop_the_service")]
    [TestCase(">&- 2>&-", TestName = "Closed_streams_do_not_stop_the_service")]
    [TestCase("<&- >&- 2>&-", TestName = "Three_closed_streams_do_not_stop_the_service")]
    [TestCase("> limited.log", TestName = "A_limit_of_file_sizes_does_not_stop_the_service")]
    public async Task A_log_that_fails_does_not_stop_the_service(string redirections)
    {
        Uri server = new($"http://127.0.0.1:{FreePort()}");
        string folder = Directory.CreateDirectory(In(Guid.NewGuid().ToString("N"))).FullName;
        using ServerRun run = ServerRun.StartIn(new ServerRun.Surroundings
        {
            Before = redirections.Contains("limited", StringComparison.Ordinal) ? "ulimit -f 1" : "",
            Redirections = redirections,
            Folder = folder,
            Variables = s_manyLines,
        }, Arguments(server));
        await WorksAsync(run, server);
    }

    [Test]
    public async Task A_reader_that_goes_away_does_not_stop_the_service()
    {
        Uri server = new($"http://127.0.0.1:{FreePort()}");
        using ServerRun run = ServerRun.StartIn(new ServerRun.Surroundings
        {
            ReadsOutput = false,
            Variables = s_manyLines,
        }, Arguments(server));
        run.Process.StandardOutput.Close();
        await WorksAsync(run, server);
    }

    [Test]
    public async Task A_reader_that_does_not_read_does_not_stop_the_service()
    {
        Uri server = new($"http://127.0.0.1:{FreePort()}");
        using ServerRun run = ServerRun.StartIn(new ServerRun.Surroundings
        {
            ReadsOutput = false,
            Variables = s_manyLines,
        }, Arguments(server));
        await WorksAsync(run, server);
    }

    private string[] Arguments(Uri server) => [.. ModelArguments, "--address", "127.0.0.1", "--http", $"{server.Port}",
        "--grpc", "-1"];

    private async Task WorksAsync(ServerRun run, Uri server)
    {
        run.WaitFor(() => IsReadyAsync(server).Result, "the server is ready");
        for (int index = 0; index < RequestCount; index++)
        {
            using HttpResponseMessage response = await InferAsync(server);
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        }

        run.Signal("TERM");
        Assert.That(run.WaitForExit().ExitCode, Is.Zero);
    }

    private async Task<bool> IsReadyAsync(Uri server)
    {
        try
        {
            return await StatusAsync(server, Ready) == HttpStatusCode.OK;
        }
        catch (HttpRequestException)
        {
            return false; // it does not listen yet
        }
    }

    private static int FreePort()
    {
        using System.Net.Sockets.TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
