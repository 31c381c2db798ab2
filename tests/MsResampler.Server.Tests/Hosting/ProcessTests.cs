using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using MsResampler.Server.Tests.Clients;

namespace MsResampler.Server.Tests.Hosting;

/// <summary>How a server process starts: its lines, its errors and its ports.</summary>
internal sealed class ProcessTests : ServerFixture
{
    [Test]
    public async Task A_server_says_where_it_listens_and_that_its_model_is_ready_and_stops_at_a_signal()
    {
        using ServerRun run = StartReady();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.Addresses, Has.Count.EqualTo(2));
            Assert.That(run.Output.Count(line => line.Contains("model m is ready", StringComparison.Ordinal)),
                Is.EqualTo(1));
            Assert.That(await StatusAsync(run.Http, Ready), Is.EqualTo(HttpStatusCode.OK));
            Assert.That(await StatusAsync(run.Http, Live), Is.EqualTo(HttpStatusCode.OK));
        }

        using HttpResponseMessage response = await InferAsync(run.Http);
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        int lineCount = run.Output.Count;
        run.StopsCleanly();
        Assert.That(run.Output.Skip(lineCount), Has.Exactly(2).Items, "no line per request, two about the stop");
    }

    [Test]
    public void Lines_of_JSON_have_time_level_category_and_message()
    {
        using ServerRun run = StartReady("--log-format", "json");
        run.StopsCleanly();
        Assert.That(run.Output, Is.Not.Empty);
        foreach (string line in run.Output)
        {
            JsonElement entry = JsonDocument.Parse(line).RootElement;
            using (Assert.EnterMultipleScope())
            {
                Assert.That(entry.GetProperty("time").GetDateTime().Kind, Is.EqualTo(DateTimeKind.Utc));
                Assert.That(entry.GetProperty("level").GetString(), Is.AnyOf("info", "warning"));
                Assert.That(entry.GetProperty("category").GetString(), Does.StartWith("MsResampler"));
                Assert.That(entry.GetProperty("message").GetString(), Is.Not.Empty);
            }
        }
    }

    [Test]
    public void A_port_in_use_is_named([Values("--http", "--grpc")] string option)
    {
        using TcpListener other = new(IPAddress.Loopback, 0);
        other.Start();
        int port = ((IPEndPoint)other.LocalEndpoint).Port;
        string free = option == "--http" ? "--grpc" : "--http";
        using ServerRun run = ServerRun.StartRaw([.. ModelArguments, "--address", "127.0.0.1", option, $"{port}", free,
            "0"]);
        run.FailsNaming($"{option} {port}: another process uses this port");
        Assert.That(run.Output, Has.None.Contains("Failed to bind"), "the reason is on standard error alone");
    }

    [Test]
    public void An_address_of_another_machine_is_an_error()
    {
        using ServerRun run = ServerRun.StartRaw([.. ModelArguments, "--http", "0", "--grpc", "-1", "--address",
            "192.0.2.1"]);
        run.FailsNaming("the server cannot listen on its ports");
    }

    [Test]
    public void Wrong_arguments_end_the_process_with_one_line()
    {
        using ServerRun missing = ServerRun.Start("--model", In("missing")), typo = Start("--htpp");
        missing.FailsNaming($"--model: {In("missing")}: this model does not exist");
        typo.FailsNaming("'--htpp'; did you mean '--http'?");
    }

    [Test]
    public void One_port_can_be_left_out()
    {
        using ServerRun run = ServerRun.StartRaw([.. ModelArguments, "--http", "-1", "--grpc", "0", "--address",
            "localhost"]);
        run.WaitUntilReady();
        Assert.That(run.Addresses, Has.Count.EqualTo(1));
        run.StopsCleanly();
    }

    [Test]
    public void A_broken_model_ends_the_process_with_the_reason()
    {
        Directory.CreateDirectory(In("broken"));
        File.WriteAllText(In("broken/config.json"), "{");
        using ServerRun run = ServerRun.Start("--model", In("broken"), "--backend", "cpu");
        run.FailsNaming("model broken cannot be used: ", In("broken"));
    }

    [Test]
    public async Task A_broken_model_does_not_stop_the_others()
    {
        Directory.CreateDirectory(In("half"));
        using ServerRun run = Start("--model", $"half={In("half")}");
        run.WaitUntilReady(modelCount: 2);
        using HttpResponseMessage response = await InferAsync(run.Http);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
            Assert.That(run.Output, Has.Some.Contains("model half cannot be used"));
            Assert.That(await StatusAsync(run.Http, Ready), Is.EqualTo(HttpStatusCode.ServiceUnavailable));
            Assert.That(await StatusAsync(run.Http, Live), Is.EqualTo(HttpStatusCode.OK));
            Assert.That((await MetricsAsync(run.Http)).Of("msresampler_model_ready", "half"), Is.Zero);
        }

        run.StopsCleanly();
    }

    [Test]
    public void Settings_come_from_the_environment_and_from_the_file_of_the_current_folder()
    {
        string folder = Directory.CreateDirectory(In("settings")).FullName;
        File.WriteAllText(Path.Combine(folder, "appsettings.json"),
            """{ "MsResampler": { "Http": 0, "Grpc": "x", "LogFormat": "json" } }""");
        ServerRun.Surroundings surroundings = new()
        {
            Folder = folder,
            Variables = [("MsResampler__Models__m__Path", Model), ("MsResampler__Address", "127.0.0.1")],
        };
        using ServerRun wrong = ServerRun.StartIn(surroundings);
        wrong.FailsNaming("appsettings.json: MsResampler:Grpc: expected a port", "found 'x'");
        File.WriteAllText(Path.Combine(folder, "appsettings.json"),
            """{ "MsResampler": { "Http": 0, "Grpc": -1, "LogFormat": "json" } }""");
        using ServerRun run = ServerRun.StartIn(surroundings);
        run.WaitUntilReady();
        Assert.That(run.Output, Has.All.StartsWith("{"));
        run.StopsCleanly();
    }

    [Test]
    public void Help_version_and_a_health_check_need_no_model()
    {
        using ServerRun help = ServerRun.StartRaw("--help"), version = ServerRun.StartRaw("--version");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(help.WaitForExit(), Is.EqualTo((0, "")));
            Assert.That(version.WaitForExit(), Is.EqualTo((0, "")));
            Assert.That(help.Output, Has.Some.Contains("--model"));
            Assert.That(version.Output, Has.Exactly(1).Matches("^msresampler-server "));
        }

        using ServerRun run = StartReady();
        using ServerRun good = ServerRun.StartRaw("--check-health", new Uri(run.Http, Ready).ToString());
        using ServerRun bad = ServerRun.StartRaw("--check-health", new Uri(run.Http, "/nothing").ToString());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(good.WaitForExit(), Is.EqualTo((0, "")));
            Assert.That(bad.WaitForExit().ExitCode, Is.EqualTo(1));
            Assert.That(bad.WaitForExit().Error, Does.Contain("expected success, found 404"));
        }
    }

    [Test]
    public async Task A_killed_server_leaves_nothing_behind_and_another_one_takes_its_ports()
    {
        int http, grpc;
        using (ServerRun first = StartReady("--batch-delay", "60000"))
        {
            (http, grpc) = (first.Http.Port, first.Grpc.Port);
            Task<HttpResponseMessage> lost = InferAsync(first.Http);
            WaitUntilPending(first, 1);
            first.Signal("KILL");
            first.WaitForExit();
            await Assert.ThrowsAsync<HttpRequestException>(() => lost);
        }

        using ServerRun second = ServerRun.StartRaw([.. ModelArguments, "--address", "127.0.0.1", "--http", $"{http}",
            "--grpc", $"{grpc}"]);
        second.WaitUntilReady();
        using HttpResponseMessage response = await InferAsync(second.Http);
        Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        second.StopsCleanly();
    }

    [Test]
    public async Task A_server_without_rights_home_and_writable_folders_works()
    {
        Skip.If(!OperatingSystem.IsLinux() || Environment.UserName != "root", "Only root can become another user.");
        string folder = Directory.CreateDirectory(In("read-only")).FullName;
        Skip.If(await OutsideProgram.RunAsync(folder, "setpriv", "--version") is null, "setpriv is not installed.");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(folder, (UnixFileMode)0b101_101_101);
        using ServerRun run = ServerRun.StartIn(new ServerRun.Surroundings
        {
            Prefix = "setpriv --reuid=65534 --regid=65534 --clear-groups",
            Folder = folder,
            Variables =
            [
                ("HOME", null), ("TMPDIR", folder), ("DOTNET_CLI_HOME", null), ("MSRESAMPLER_CACHE", null),
            ],
        }, [.. ModelArguments, "--http", "0", "--grpc", "0"]);
        run.WaitUntilReady();
        using HttpResponseMessage response = await InferAsync(new Uri($"http://127.0.0.1:{run.Http.Port}"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(response.StatusCode, Is.EqualTo(HttpStatusCode.OK));
            Assert.That(Directory.GetFileSystemEntries(folder), Is.Empty);
            Assert.That(run.Output, Has.None.Contains(" warning ").And.None.Contains(" error "));
        }

        run.StopsCleanly();
    }

    [Test]
    public async Task A_relative_path_of_a_link_to_a_model_is_enough()
    {
        Skip.If(OperatingSystem.IsWindows(), "Links need rights on Windows.");
        File.CreateSymbolicLink(In("link"), Model);
        using ServerRun run = ServerRun.StartIn(new ServerRun.Surroundings { Folder = Path.GetDirectoryName(Model) },
            "--model", "link", "--http", "0", "--grpc", "0", "--address", "127.0.0.1", "--backend", "cpu");
        run.WaitUntilReady();
        Assert.That(await StatusAsync(run.Http, "/v2/models/link/ready"), Is.EqualTo(HttpStatusCode.OK));
        run.StopsCleanly();
    }
}
