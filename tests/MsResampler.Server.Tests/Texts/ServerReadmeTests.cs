using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using MsResampler.Server.Hosting;
using MsResampler.Server.Hosting.Configuration;
using MsResampler.Server.Tests.Clients;
using MsResampler.Server.Tests.Deploy;
using MsResampler.Server.Tests.Hosting;

namespace MsResampler.Server.Tests.Texts;

/// <summary>The README of the server: its first steps run as they are written, only with other ports, and its tables
/// are complete.</summary>
public sealed partial class ServerReadmeTests
{
    private static readonly PatchGrid s_grid = new(2, 2);

    private static string ReadmeOrSkip => File.ReadAllText(Path.Combine(DeployFile.RootOrSkip(), "tools",
        "MsResampler.Server", "README.md")).ReplaceLineEndings("\n");

    [Test]
    public async Task The_first_steps_run_as_written()
    {
        string readme = ReadmeOrSkip;
        Skip.If(OperatingSystem.IsWindows(), "The commands are written for a Unix shell.");
        using TemporaryFolder folder = new();
        using ServerRun server = Start(readme, folder);
        string[] answers = [.. await Task.WhenAll(Commands(readme, "curl ").Select(async line
            => await RunAsync(folder, "sh", "-c", WithPort(line, server))))];
        Skip.If(answers.Any(answer => answer.Contains("curl: not found", StringComparison.Ordinal)),
            "curl is not installed.");
        Assert.That(answers, Has.Length.EqualTo(3));
        Assert.That(answers[0], Does.Contain("true"));
        Assert.That(answers[1], Does.Contain("\"features\""));
        JsonElement tokens = JsonDocument.Parse(answers[2]).RootElement.GetProperty("outputs")[0].GetProperty("data");
        Assert.That(tokens.EnumerateArray().Select(value => value.GetSingle()), Is.EqualTo(Tokens(folder)));
        string shown = ShownAnswer().Match(readme).Groups["json"].Value;
        Assert.That(DataArray().Replace(answers[2], "\"data\":[…]"), Is.EqualTo(shown));
        server.StopsCleanly();
    }

    [Test]
    public async Task The_example_in_Python_gets_the_tokens()
    {
        string readme = ReadmeOrSkip;
        Skip.If(OperatingSystem.IsWindows(), "The commands are written for a Unix shell.");
        using TemporaryFolder folder = new();
        Skip.If(await OutsideProgram.RunAsync(folder.Path, "python3", "--version") is null,
            "python3 is not installed.");
        using ServerRun server = Start(readme, folder);
        string code = WithPort(Blocks(readme).Single(block => block.Language == "python").Text, server);
        await File.WriteAllTextAsync(folder.File("client.py"), code);
        string output = await RunAsync(folder, "python3", "client.py");
        Assert.That(output, Does.StartWith("[1, 2, 3] ("));
        float[] found = [.. output[(output.IndexOf('(', StringComparison.Ordinal) + 1)..].TrimEnd(')', '\n')
            .Split(", ").Select(text => (float)double.Parse(text, CultureInfo.InvariantCulture))];
        Assert.That(found, Is.EqualTo(Tokens(folder)));
    }

    [Test]
    public async Task The_example_in_Node_gets_the_tokens()
    {
        string readme = ReadmeOrSkip;
        Skip.If(OperatingSystem.IsWindows(), "The commands are written for a Unix shell.");
        using TemporaryFolder folder = new();
        await NodePackages.InstallOrSkipAsync(folder);
        using ServerRun server = Start(readme, folder);
        string code = Blocks(readme).Single(block => block.Language == "js").Text
            .Replace("localhost:8081", server.Grpc.Authority, StringComparison.Ordinal);
        await File.WriteAllTextAsync(folder.File("client.mjs"), code);
        string output = await RunAsync(folder, "node", "client.mjs");
        Assert.That(output, Does.StartWith("[1,2,3] ["));
        float[] found = [.. JsonSerializer.Deserialize<double[]>(output["[1,2,3] ".Length..])!
            .Select(value => (float)value)];
        Assert.That(found, Is.EqualTo(Tokens(folder)));
    }

    [Test]
    public void The_example_of_TLS_can_be_read()
    {
        string json = Blocks(ReadmeOrSkip).Last(block => block.Language == "json").Text;
        using TemporaryFolder folder = new();
        Directory.CreateDirectory(folder.File("model"));
        File.WriteAllText(folder.File("appsettings.json"), json.Replace("\"model\"",
            JsonSerializer.Serialize(folder.File("model")), StringComparison.Ordinal));
        ServerStart start = CommandLine.Read([], new Dictionary<string, string>(), folder.Path, TextWriter.Null)!;
        Assert.That(start.Settings.Models.Single().Key, Is.EqualTo("tokens"));
        Assert.That(start.Platform.GetSection(ServerStart.EndpointsKey).GetChildren().Single()["Protocols"],
            Is.EqualTo("Http1AndHttp2"));
    }

    [Test]
    public void The_table_of_options_is_complete_and_has_the_defaults()
    {
        Dictionary<string, string> rows = [];
        foreach (Match row in OptionRow().Matches(ReadmeOrSkip))
        {
            string[] names = [.. OptionName().Matches(row.Groups["names"].Value).Select(match => match.Value)];
            string[] defaults = row.Groups["defaults"].Value.Split(", ");
            foreach ((string name, int index) in names.Select((name, index) => (name, index)))
                rows.Add(name, defaults.Length == names.Length ? defaults[index].Trim() : "");
        }

        Option[] options = [.. new CommandOptions().All];
        Assert.That(rows.Keys, Is.EquivalentTo(options.Select(option => option.Name)));
        foreach (Option option in options)
        {
            Match stated = Default().Match(option.Description!);
            string value = stated.Groups["value"].Value;
            // Only values are compared; a description may also say in words what happens without the option.
            if (stated.Success && !value.Contains(' ', StringComparison.Ordinal))
                Assert.That(rows[option.Name], Is.EqualTo(value), option.Name);
        }
    }

    [Test]
    public async Task The_table_of_metrics_names_those_of_the_models()
    {
        string readme = ReadmeOrSkip;
        using TestModel model = new(Configs.Mixed);
        await using RunningServer server = await RunningServer.StartAsync(new ServerSettings
        {
            Models = new Dictionary<string, ModelSettings>
            {
                ["m"] = new() { Path = model.Model.SourcePath, Backend = "cpu", Threads = 1 },
            },
        });
        using HttpClient client = new();
        string metrics = await client.GetStringAsync(new Uri(server.Http, "/metrics"));
        string[] served = [.. MetricType().Matches(metrics).Select(match => match.Groups["name"].Value)
            .Where(name => name.StartsWith("nv_", StringComparison.Ordinal)
                || name.StartsWith("msresampler_", StringComparison.Ordinal))];
        string[] named = [.. MetricName().Matches(readme).Select(match => match.Groups["name"].Value).Distinct()];
        Assert.That(named, Is.EquivalentTo(served));
    }

    /// <summary>Makes the model and starts the server with the commands of the README, on free ports.</summary>
    private static ServerRun Start(string readme, TemporaryFolder folder)
    {
        Match config = ShownFile().Match(readme);
        File.WriteAllText(folder.File(config.Groups["name"].Value), config.Groups["content"].Value);
        string[] init = Commands(readme, "msresampler ").Single().Split(' ')[1..];
        CliRun made = CliRun.OfShell($"cd '{folder.Path}'", "", init);
        Assert.That(made.ExitCode, Is.Zero, made.Error);
        string[] serve = Commands(readme, "msresampler-server ").Single().Split(' ')[1..];
        return ServerRun.StartIn(new ServerRun.Surroundings
        {
            Folder = folder.Path,
            Variables = [("MsResampler__Http", FreePort()), ("MsResampler__Grpc", FreePort()),
                ("MsResampler__Address", "127.0.0.1"), ("MsResampler__Models__model__Backend", "cpu")],
        }, serve).WaitUntilReady();
    }

    private static string FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture);
    }

    private static string WithPort(string text, ServerRun server)
        => text.Replace("localhost:8080", server.Http.Authority, StringComparison.Ordinal);

    /// <summary>The tokens of the image of the examples, 1 to 16.</summary>
    private static float[] Tokens(TemporaryFolder folder)
    {
        using Resampler engine = Resampler.Load(folder.File("model"), new ResamplerOptions { Backend = Backend.Cpu });
        return engine.Resample([.. Enumerable.Range(1, 16).Select(value => (float)value)], [s_grid]);
    }

    private static async Task<string> RunAsync(TemporaryFolder folder, string program, params string[] arguments)
        => (await OutsideProgram.RunAsync(folder.Path, program, arguments))!.Value.Output;

    private static string[] Commands(string readme, string start) => [.. Blocks(readme)
        .Where(block => block.Language == "sh").SelectMany(block => block.Text.Split('\n'))
        .Where(line => line.StartsWith(start, StringComparison.Ordinal))];

    private static IEnumerable<(string Language, string Text)> Blocks(string readme) => Block().Matches(readme)
        .Select(match => (match.Groups["language"].Value, match.Groups["text"].Value));

    [GeneratedRegex(@"^```(?<language>\w+)\n(?<text>.*?)\n```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex(@"Save this as `(?<name>[\w.]+)`:\n\n```json\n(?<content>.*?)\n```$",
        RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex ShownFile();

    [GeneratedRegex("The answer is `(?<json>[^`]+)`")]
    private static partial Regex ShownAnswer();

    [GeneratedRegex("\"data\":\\[[^\\]]*\\]")]
    private static partial Regex DataArray();

    [GeneratedRegex(@"^\| (?<names>`--[^|]+) \| (?<defaults>[^|]*)\|", RegexOptions.Multiline)]
    private static partial Regex OptionRow();

    [GeneratedRegex("--[a-z-]+")]
    private static partial Regex OptionName();

    [GeneratedRegex(@"\(default: (?<value>[^)]+)\)")]
    private static partial Regex Default();

    [GeneratedRegex(@"^# TYPE (?<name>\S+) ", RegexOptions.Multiline)]
    private static partial Regex MetricType();

    [GeneratedRegex("`(?<name>(nv|msresampler)_[a-z_]+)`")]
    private static partial Regex MetricName();
}
