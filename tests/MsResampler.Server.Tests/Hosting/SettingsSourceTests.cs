using MsResampler.Server.Hosting;
using MsResampler.Server.Hosting.Configuration;

namespace MsResampler.Server.Tests.Hosting;

/// <summary>Settings from the environment and from a file, and which one wins.</summary>
internal sealed class SettingsSourceTests : CommandLineFixture
{
    [Test]
    public void The_command_line_wins_over_the_environment_and_that_over_the_file()
    {
        WriteFile("""{ "Http": 1, "Grpc": 2, "Grace": 3, "Models": { "m": { "Path": "PATH", "Threads": 4 } } }""");
        ServerSettings settings = Read(
            [("MsResampler__Grpc", "20"), ("MsResampler__Grace", "30"), ("MsResampler__Models__m__Precision", "int8")],
            "--grace", "300");
        ModelSettings model = settings.Models["m"];
        using (Assert.EnterMultipleScope())
        {
            Assert.That((settings.Http, settings.Grpc, settings.Grace), Is.EqualTo((1, 20, 300.0)));
            Assert.That((model.Path, model.Threads, model.Precision), Is.EqualTo((Model, 4, "int8")));
        }
    }

    [Test]
    public void Keys_ignore_case_and_a_model_keeps_the_name_of_the_file()
    {
        WriteFile("""{ "http": 1, "models": { "Photos": { "path": "PATH" } } }""");
        ServerSettings settings = Read([("MSRESAMPLER__MODELS__PHOTOS__THREADS", "3"), ("MSRESAMPLER__GRPC", "2")]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((settings.Http, settings.Grpc), Is.EqualTo((1, 2)));
            Assert.That(settings.Models.Keys, Is.EqualTo(["Photos"]));
            Assert.That(settings.Models["Photos"].Threads, Is.EqualTo(3));
        }

        Fails(["--model", $"photos={Model}"], "expected the name 'Photos' of the other settings, found 'photos'");
    }

    [Test]
    public void Models_of_all_sources_are_served_and_an_option_replaces_the_values_of_all()
    {
        WriteFile("""{ "Models": { "a": { "Path": "PATH", "Backend": "cuda", "WarmUp": ["2x2", "3x3"] } } }""");
        ServerSettings settings = Read([("MsResampler__Models__b__Path", Model)], "--model", $"c={Model}", "--backend",
            "cpu");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(settings.Models.Keys, Is.EquivalentTo(["a", "b", "c"]));
            Assert.That(settings.Models.Values.Select(model => model.Backend), Is.All.EqualTo("cpu"));
            Assert.That(settings.Models["a"].WarmUp, Is.EqualTo(["2x2", "3x3"]));
        }
    }

    [Test]
    public void A_list_replaces_the_list_of_a_source_below()
    {
        WriteFile("""{ "Models": { "m": { "Path": "PATH", "WarmUp": ["2x2", "3x3"] } } }""");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Grids(("MsResampler__Models__m__WarmUp", "4x4,5x5")), Is.EqualTo(["4x4", "5x5"]));
            Assert.That(Grids(("MsResampler__Models__m__WarmUp__0", "4x4")), Is.EqualTo(["4x4"]));
            Assert.That(Grids(), Is.EqualTo(["2x2", "3x3"]));
        }

        IList<string> Grids(params (string, string)[] variables) => Read(variables).Models["m"].WarmUp;
    }

    [Test]
    public void An_empty_list_and_null_are_allowed()
    {
        WriteFile("""{ "Http": null, "Models": { "m": { "Path": "PATH", "WarmUp": [], "Encoder": null } } }""");
        ServerSettings settings = Read();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(settings.Http, Is.EqualTo(8080));
            Assert.That(settings.Models["m"].WarmUp, Is.Empty);
            Assert.That(settings.Models["m"].Encoder, Is.Null);
        }
    }

    [Test]
    public void A_file_may_have_comments_and_other_sections()
    {
        File.WriteAllText(Folder.File("other.json"), """
            {
              // a comment
              "Logging": { "LogLevel": { "Default": "Warning" } },
              "MsResampler": { "Http": 5 },
            }
            """);
        Assert.That(Read("--model", Model, "--settings", Folder.File("other.json")).Http, Is.EqualTo(5));
    }

    [TestCase("""{ "Htp": 1 }""", "MsResampler:Htp: there is no such setting; expected one of Models, Http, Grpc")]
    [TestCase("""{ "Http": "x" }""", "MsResampler:Http: expected a port", "found 'x'")]
    [TestCase("""{ "Http": { "Port": 1 } }""", "MsResampler:Http:Port: expected a port", "found a key within it")]
    [TestCase("""{ "Http": [1] }""", "MsResampler:Http:0: expected a port")]
    [TestCase("""{ "Models": { "m": { "Pth": "x" } } }""", "MsResampler:Models:m:Pth: there is no such setting",
        "Path, Encoder")]
    [TestCase("""{ "Models": { "m": { "Path": "PATH", "Threads": true } } }""", "MsResampler:Models:m:Threads",
        "found 'True'")]
    [TestCase("""{ "Models": { "a/b": { "Path": "PATH" } } }""", "MsResampler:Models:a/b:Path: expected a name",
        "found 'a/b'")]
    [TestCase("""{ "Models": "x" }""", "MsResampler:Models: expected keys of models", "found 'x'")]
    [TestCase("""{ "Models": { "m": "x" } }""", "MsResampler:Models:m: expected keys of models")]
    [TestCase("""{ "Models": { "m": { "Threads": 1 } } }""", "MsResampler:Models:m:Path: expected the folder")]
    [TestCase("""{ "Models": { "m": { "Path": "/nowhere/model" } } }""",
        "MsResampler:Models:m:Path: /nowhere/model: this model does not exist")]
    public void What_is_wrong_in_a_file_is_named_with_the_file(string section, params string[] words)
    {
        WriteFile(section);
        Fails(variables: [], args: [], words: [SettingsFile, .. words]);
    }

    [TestCase("MsResampler__Htp", "1", "MsResampler__Htp: there is no such setting")]
    [TestCase("MsResampler__Http", "", "MsResampler__Http: expected a port", "found ''")]
    [TestCase("MsResampler__Models__m__Threads", "x", "MsResampler__Models__m__Threads: expected a whole number")]
    [TestCase("MsResampler__Models__m__Path", "/nowhere", "MsResampler__Models__m__Path: /nowhere: this model does")]
    public void What_is_wrong_in_the_environment_is_named_as_a_variable(string name, string value,
        params string[] words)
        => Fails([(name, value)], ["--model", Model], words);

    [Test]
    public void A_wrong_value_is_an_error_even_if_another_source_replaces_it()
        => Fails([("MsResampler__Http", "x")], ["--model", Model, "--http", "1"], "MsResampler__Http: expected a port");

    [TestCase("{", "expected settings in JSON")]
    [TestCase("[]", "expected settings in JSON")]
    [TestCase("""{ "MsResampler": { "Http": 1, "Http": 2 } }""", "expected settings in JSON")]
    public void A_file_that_is_not_JSON_is_an_error(string text, string expected)
    {
        File.WriteAllText(SettingsFile, text);
        Fails(["--model", Model], SettingsFile, expected);
    }

    [Test]
    public void Variables_of_other_programs_are_ignored()
        => Assert.That(Read([("MSRESAMPLER_CPU", "scalar"), ("ASPNETCORE_URLS", "http://*:1"), ("HTTP_PORTS", "2")],
            "--model", Model).Http, Is.EqualTo(8080));

    [Test]
    public void Endpoints_of_the_platform_exclude_ports_on_the_command_line()
    {
        (string, string)[] variables = [("Kestrel__Endpoints__Rest__Url", "http://127.0.0.1:0")];
        Assert.That(Start(variables, "--model", Model)!.Platform[$"{ServerStart.EndpointsKey}:Rest:Url"],
            Is.EqualTo("http://127.0.0.1:0"));
        Fails(variables, ["--model", Model, "--http", "1"], "--http: expected no port", "Kestrel:Endpoints");
    }

    private void WriteFile(string section) => File.WriteAllText(SettingsFile,
        $"{{ \"MsResampler\": {section.Replace("PATH", Model, StringComparison.Ordinal)} }}");
}
