using Microsoft.Extensions.Logging;
using MsResampler.Server.Hosting;
using MsResampler.Server.Hosting.Configuration;
using MsResampler.Server.Hosting.Logging;

namespace MsResampler.Server.Tests.Hosting;

/// <summary>The options of the command.</summary>
internal sealed class CommandLineTests : CommandLineFixture
{
    private static readonly TestCaseData<string, string, Func<ServerSettings, object?>, object>[] s_options =
    [
        Option("--http", "9000", settings => settings.Http, 9000),
        Option("--http", "-1", settings => settings.Http, -1),
        Option("--grpc", "0", settings => settings.Grpc, 0),
        Option("--address", "127.0.0.1", settings => settings.Address, "127.0.0.1"),
        Option("--address", "::1", settings => settings.Address, "::1"),
        Option("--address", "*", settings => settings.Address, "*"),
        Option("--batch-size", "16", settings => settings.BatchSize, 16),
        Option("--batch-delay", "2.5", settings => settings.BatchDelay, 2.5),
        Option("--queue-size", "9", settings => settings.QueueSize, 9),
        Option("--instances", "3", settings => settings.Instances, 3),
        Option("--request-timeout", "0", settings => settings.RequestTimeout, 0.0),
        Option("--max-connections", "0", settings => settings.MaxConnections, 0),
        Option("--max-request-bytes", "1048577", settings => settings.MaxRequestBytes, 1048577L),
        Option("--max-request-bytes", "3MiB", settings => settings.MaxRequestBytes, 3L << 20),
        Option("--max-request-images", "5", settings => settings.MaxRequestImages, 5),
        Option("--max-memory", "2GiB", settings => settings.MaxMemoryBytes, 2L << 30),
        Option("--client-header", "X-Client", settings => settings.ClientHeader, "X-Client"),
        Option("--shutdown-delay", "4", settings => settings.ShutdownDelay, 4.0),
        Option("--grace", "0.5", settings => settings.Grace, 0.5),
        Option("--log-format", "json", settings => settings.LogFormat, LogFormat.Json),
        Option("--log-level", "debug", settings => settings.LogLevel, LogLevel.Debug),
    ];

    private static readonly TestCaseData<string, string, string>[] s_wrongValues =
    [
        new("--http", "70000", "a port from 1 to 65535, 0 for any free port, or -1 for none"),
        new("--http", "x", "a port"),
        new("--grpc", "-2", "a port"),
        new("--address", "here", "an IP address, localhost or *"),
        new("--batch-size", "0", "a whole number from 1"),
        new("--batch-delay", "-1", "milliseconds from 0 to 60000"),
        new("--batch-delay", "NaN", "milliseconds"),
        new("--queue-size", "1.5", "a whole number"),
        new("--instances", "65", "from 1 to 64"),
        new("--request-timeout", "1e3", "seconds from 0 to 86400"),
        new("--max-request-bytes", "0", "a number of bytes"),
        new("--max-request-bytes", "1MB", "64MiB"),
        new("--max-memory", "99999999TiB", "a number of bytes"),
        new("--client-header", "X Client", "the name of a header"),
        new("--log-format", "xml", "plain or json"),
        new("--log-level", "verbose", "trace, debug, info, warning, error, none"),
        new("--backend", "tpu", "auto, cpu, cuda"),
        new("--precision", "float8", "auto, float32, tf32, float16, bfloat16, int8"),
        new("--threads", "1025", "from 0 to 1024"),
        new("--warm-up", "24", "24x24"),
        new("--warm-up", "0x24", "24x24"),
    ];

    private static readonly TestCaseData<string, string>[] s_typos =
    [
        new("--htpp=1", "does not know '--htpp=1'; did you mean '--http'?"),
        new("--versoin", "did you mean '--version'?"),
        new("--batchsize", "did you mean '--batch-size'?"),
        new("--xyzzyxyzzy", "does not know '--xyzzyxyzzy' (see msresampler-server --help)"),
        new("xyzzyxyzzy", "does not know 'xyzzyxyzzy' (see"),
    ];

    [TestCaseSource(nameof(s_options))]
    public void An_option_sets_its_setting(string option, string value, Func<ServerSettings, object?> get,
        object expected)
        => Assert.That(get(Read("--model", Model, option, value)), Is.EqualTo(expected));

    [Test]
    public void Every_setting_has_an_option_in_the_test_above()
    {
        IEnumerable<string> tested = s_options.Select(option => (string)option.Arguments[0]!).Distinct();
        Assert.That(tested, Is.EquivalentTo(ServerSettingList.All.Select(setting => setting.Option)));
    }

    [Test]
    public void Every_property_of_the_settings_has_a_key()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ServerSettingList.All.Select(setting => setting.Key).Append(nameof(ServerSettings.Models)),
                Is.EquivalentTo(typeof(ServerSettings).GetProperties().Select(property => property.Name)));
            Assert.That(ModelSettingList.All.Select(setting => setting.Key),
                Is.EquivalentTo(typeof(ModelSettings).GetProperties().Select(property => property.Name)));
        }
    }

    [TestCaseSource(nameof(s_wrongValues))]
    public void A_wrong_value_is_named_with_what_was_expected(string option, string value, string expected)
        => Fails(["--model", Model, $"{option}={value}"], $"{option}: expected ", expected, $"found '{value}'");

    [TestCaseSource(nameof(s_typos))]
    public void An_unknown_word_is_reported_with_a_suggestion(string word, string expected)
        => Fails(["--model", Model, word], expected, "(see msresampler-server --help)");

    [Test]
    public void A_missing_value_is_an_error()
    {
        Fails(["--model", Model, "--http"], "--http", "(see msresampler-server --help)");
        Fails(["--model", "--http", "9000"], "'--http'");
    }

    [Test]
    public void A_folder_without_its_option_is_reported_with_the_option()
        => Fails([Model], $"does not know '{Model}'; did you mean '--model {Model}'?");

    [Test]
    public void Without_a_model_the_error_says_how_to_name_one()
        => Fails(args: [], "expected a model, found none; add --model FOLDER");

    [Test]
    public void A_model_has_the_name_of_its_folder_or_file()
    {
        File.WriteAllText(Folder.File("b.gguf"), "");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Read("--model", Model).Models.Keys, Is.EqualTo(["model"]));
            Assert.That(Read("--model", Model + "/").Models.Keys, Is.EqualTo(["model"]));
            Assert.That(Read("--model", Folder.File("b.gguf")).Models.Keys, Is.EqualTo(["b"]));
            Assert.That(Read("--model", Model, "--name", "other-1.0_x").Models.Keys, Is.EqualTo(["other-1.0_x"]));
            Assert.That(Read("--model", $"a={Model}", "--model", $"b={Model}").Models.Keys,
                Is.EquivalentTo(["a", "b"]));
        }
    }

    [Test]
    public void A_path_may_have_an_equals_sign_after_a_slash()
    {
        Directory.CreateDirectory(Folder.File("a=b"));
        ServerSettings settings = Read("--model", Folder.File("a=b"), "--name", "c");
        Assert.That(settings.Models["c"].Path, Is.EqualTo(Folder.File("a=b")));
        Fails(["--model", Folder.File("a=b")], "is not one for a model", "--model NAME=");
    }

    [Test]
    public void Wrong_names_of_models_are_errors()
    {
        Fails(["--model", Model, "--name", "a/b"], "--name: expected a name of letters", "found 'a/b'");
        Fails(["--model", Model, "--name", ".."], "--name: expected", "found '..'");
        Fails(["--model", Model, "--name", new string('a', 129)], "at most 128 characters");
        Fails(["--model", $"a={Model}", "--model", $"A={Model}"], "'a' and 'A'");
        Fails(["--model", Model, "--model", Model], "'model' and 'model'");
        Fails(["--model", $"a={Model}", "--model", $"b={Model}", "--name", "c"],
            "--name: expected one --model, found 2");
    }

    [Test]
    public void Options_of_models_are_for_all_models_or_for_one()
    {
        ServerSettings settings = Read("--model", $"a={Model}", "--model", $"b={Model}", "--threads", "2", "--threads",
            "b=3", "--encoder", $"b={Encoder}", "--preprocessing", "clip", "--encoder", Encoder, "--warm-up", "24x24",
            "1x2", "--warm-up", "a=3x3", "--backend", "cpu", "--precision", "a=float32");
        (ModelSettings a, ModelSettings b) = (settings.Models["a"], settings.Models["b"]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((a.Threads, b.Threads), Is.EqualTo((2, 3)));
            Assert.That((a.Encoder, b.Encoder), Is.EqualTo((Encoder, Encoder)));
            Assert.That((a.Preprocessing, b.Preprocessing), Is.EqualTo(("clip", "clip")));
            Assert.That(a.WarmUp, Is.EqualTo(["3x3"]));
            Assert.That(b.WarmUp, Is.EqualTo(["24x24", "1x2"]));
            Assert.That((a.Backend, b.Backend), Is.EqualTo(("cpu", "cpu")));
            Assert.That((a.Precision, b.Precision), Is.EqualTo(("float32", "auto")));
        }

        Fails(["--model", $"a={Model}", "--threads", "c=3"], "--threads: expected the name of a model (a), found 'c'");
        Fails(["--model", $"a={Model}", "--threads", "3", "--threads", "4"], "--threads: expected one value");
    }

    [Test]
    public void What_does_not_exist_is_named()
    {
        string missing = Folder.File("missing");
        Fails(["--model", missing], $"--model: {missing}: this model does not exist");
        Fails(["--model", Model, "--encoder", missing], $"--encoder: {missing}: this encoder does not exist");
        Fails(["--model", Model, "--encoder", Model], $"--encoder: {Model}", "found a folder");
        Fails(["--model", Encoder], "found a name that ends in .onnx");
        Fails(["--model", Model, "--encoder", Encoder, "--preprocessing", missing], "--preprocessing: expected clip",
            missing);
        Fails(["--model", Model, "--settings", missing], missing, "cannot be read");
        Fails(["--model", ""], "--model: expected the folder or file of a model, found ''");
    }

    [Test]
    public void Settings_that_contradict_each_other_are_errors()
    {
        Fails(["--model", Model, "--http", "9000", "--grpc", "9000"], "--grpc: expected another port", "9000 for both");
        Fails(["--model", Model, "--http", "-1", "--grpc", "-1"], "--grpc: expected a port, found -1");
        Fails(["--model", Model, "--backend", "cpu", "--device", "0"], "--device: expected a model on a GPU");
        Fails(["--model", Model, "--backend", "cuda", "--precision", "int8"], "--precision: int8 needs the CPU");
        Fails(["--model", Model, "--preprocessing", "clip"], "--preprocessing: expected an encoder");
    }

    [Test]
    public void Both_ports_may_be_any_free_one()
        => Assert.That(Read("--model", Model, "--http", "0", "--grpc", "0"), Has.Property("Http").Zero);

    [Test]
    public void The_help_names_every_option_and_the_version_is_one_line()
    {
        using StringWriter help = new(), version = new();
        Assert.That(CommandLine.Read(["--help"], new System.Collections.Hashtable(), "", help), Is.Null);
        Assert.That(CommandLine.Read(["--version"], new System.Collections.Hashtable(), "", version), Is.Null);
        using (Assert.EnterMultipleScope())
        {
            foreach (string option in ServerSettingList.All.Select(setting => setting.Option)
                .Concat(ModelSettingList.All.Select(setting => setting.Option))
                .Concat(["--name", "--settings", "--check-health", "Notes:", "Examples:"]))
                Assert.That(help.ToString(), Does.Contain(option));
            Assert.That(version.ToString().TrimEnd(), Does.Match(@"^msresampler-server \d+\.\d+\.\d+$"));
        }
    }

    [Test]
    public void A_server_can_be_checked_without_a_model()
    {
        Assert.That(Start([], "--check-health", "http://127.0.0.1:1/x")!.HealthAddress,
            Is.EqualTo(new Uri("http://127.0.0.1:1/x")));
        Fails(["--check-health", "ftp://a"], "--check-health: expected an address", "found 'ftp://a'");
    }

    private static TestCaseData<string, string, Func<ServerSettings, object?>, object> Option(string option,
        string value, Func<ServerSettings, object?> get, object expected)
        => new(option, value, get, expected) { TestName = $"{option} {value}" };
}
