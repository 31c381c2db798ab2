using System.Collections;
using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Reflection;

namespace MsResampler.Server.Hosting.Configuration;

/// <summary>Reads the command line, the environment and the file with settings.</summary>
internal static class CommandLine
{
    private const string Name = "msresampler-server";
    private const string DefaultFile = "appsettings.json";
    private const int MaxSuggestionCount = 3;

    private static readonly ParserConfiguration s_parser = new()
    {
        EnablePosixBundling = false,
        ResponseFileTokenReplacer = null,
    };

    private static readonly string[] s_notes =
    [
        "Every option but --name, --settings and --check-health is also a setting. In the environment its name",
        "starts with MsResampler__: MsResampler__Http=9000, MsResampler__Models__photos__Path=model. A file has a",
        "section: { \"MsResampler\": { \"Http\": 9000, \"Models\": { \"photos\": { \"Path\": \"model\" } } } }.",
        "The command line replaces the environment, and the environment the file. Kestrel:Endpoints in the file or",
        "in the environment (Kestrel__Endpoints__NAME__Url) replaces --http, --grpc and --address, such as for TLS.",
    ];

    private static readonly string[] s_examples =
    [
        "msresampler-server --model model",
        "msresampler-server --model photos=model --encoder vit.onnx --warm-up 24x24 --http 9000 --grpc 9001",
        "msresampler-server --model small=a --model large=b --backend large=cuda --batch-size 16 --batch-delay 2",
    ];

    /// <summary>The version of the program.</summary>
    public static string Version { get; } = typeof(CommandLine).Assembly
        .GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    /// <summary>Reads all settings.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="environment">The variables of the environment.</param>
    /// <param name="folder">The folder with the default file.</param>
    /// <param name="output">Gets the help or the version.</param>
    /// <returns>What to do; null if the help or the version was asked for.</returns>
    /// <exception cref="SettingsException">The command line or a setting is wrong.</exception>
    public static ServerStart? Read(string[] args, IDictionary environment, string folder, TextWriter output)
    {
        CommandOptions options = new();
        ParseResult parsed = CreateRoot(options).Parse(args, s_parser);
        if (parsed.Action is { ClearsParseErrors: true })
        {
            parsed.Invoke(new InvocationConfiguration
            {
                Output = output,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
            return null;
        }

        CheckUsage(parsed);
        if (parsed.GetValue(options.HealthAddress) is { } address)
            return new ServerStart(new ServerSettings(), new ConfigurationBuilder().Build())
            {
                HealthAddress = ReadAddress(address),
            };
        string? path = parsed.GetValue(options.SettingsFile);
        if (path is null && File.Exists(Path.Combine(folder, DefaultFile)))
            path = Path.Combine(folder, DefaultFile);
        IConfigurationRoot? file = path is null ? null : SettingsSource.ReadFile(path);
        SettingsReader reader = new();
        if (file is not null)
            reader.Read(SettingsSource.OfFile(file, path!));
        reader.Read(SettingsSource.OfEnvironment(environment));
        SettingsSource line = options.Read(parsed, reader.FindModel, reader.Settings.Models.Keys);
        reader.Read(line);
        ConfigurationBuilder platform = new();
        if (file is not null)
            platform.AddConfiguration(file);
        platform.AddInMemoryCollection(ServerStart.PlatformSettings(environment));
        ServerStart start = new(reader.Settings, platform.Build());
        bool hasEndpoints = start.Platform.GetSection(ServerStart.EndpointsKey).Exists();
        SettingsCheck.Check(reader, hasEndpoints);
        string[] ports = [nameof(ServerSettings.Http), nameof(ServerSettings.Grpc), nameof(ServerSettings.Address)];
        if (hasEndpoints && line.Entries.FirstOrDefault(entry => ports.Contains(entry.Key)).Key is { } port)
            throw new SettingsException($"{line.Describe(port)}: expected no port or address, because " +
                $"{ServerStart.EndpointsKey} replaces them; leave one of them out");
        return start;
    }

    private static RootCommand CreateRoot(CommandOptions options)
    {
        RootCommand root = new("Serves MS-Resampler models over the Open Inference Protocol v2, REST and gRPC, with " +
            "dynamic batching.");
        root.Directives.Clear();
        foreach (Option option in root.Options)
        {
            if (option is HelpOption { Action: HelpAction help })
                option.Action = new HelpWithNotes(help);
            else if (option is VersionOption)
                option.Action = new VersionAction();
        }

        foreach (Option option in options.All)
            root.Options.Add(option);
        return root;
    }

    private static void CheckUsage(ParseResult parsed)
    {
        const string Hint = $"(see {Name} --help)";
        string? unknown = parsed.CommandResult.Children.SelectMany(symbol => symbol.Tokens)
            .Select(token => token.Value)
            .FirstOrDefault(value => value.StartsWith("--", StringComparison.Ordinal))
            ?? (parsed.UnmatchedTokens.Count > 0 ? parsed.UnmatchedTokens[0] : null);
        if (unknown is not null)
            throw new SettingsException($"{Name} does not know '{unknown}'{Suggest(unknown)} {Hint}");
        if (parsed.Errors.Count > 0)
            throw new SettingsException($"{parsed.Errors[0].Message.TrimEnd('.')} {Hint}");
    }

    /// <summary>Text such as "; did you mean '--http'?", or an empty string.</summary>
    private static string Suggest(string word)
    {
        if (Path.Exists(word))
            return $"; did you mean '--model {word}'?";
        ParseResult again = CreateRoot(new CommandOptions()).Parse([word], s_parser);
        if (again.Action is not ParseErrorAction action)
            return "";
        action.ShowHelp = false;
        action.ShowTypoCorrections = true;
        using StringWriter output = new();
        again.Invoke(new InvocationConfiguration { Output = output, Error = TextWriter.Null });
        // The first line is a sentence about the word; each further line is a suggestion.
        string[] suggestions = [.. output.ToString()
            .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Skip(1).Where(suggestion => suggestion.StartsWith("--", StringComparison.Ordinal))
            .Take(MaxSuggestionCount).Select(suggestion => $"'{suggestion}'")];
        return suggestions.Length == 0 ? "" : $"; did you mean {string.Join(" or ", suggestions)}?";
    }

    private static Uri ReadAddress(string text)
        => Uri.TryCreate(text, UriKind.Absolute, out Uri? address)
            && (address.Scheme == Uri.UriSchemeHttp || address.Scheme == Uri.UriSchemeHttps)
            ? address : throw new SettingsException("--check-health: expected an address such as " +
                $"http://127.0.0.1:8080/v2/health/ready, found '{text}'");

    private sealed class VersionAction : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            parseResult.InvocationConfiguration.Output.WriteLine($"{Name} {Version}");
            return 0;
        }
    }

    private sealed class HelpWithNotes(HelpAction standard) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            int exitCode = standard.Invoke(parseResult);
            TextWriter output = parseResult.InvocationConfiguration.Output;
            foreach ((string title, string[] lines) in ((string, string[])[])
                [("Notes:", s_notes), ("Examples:", s_examples)])
            {
                output.WriteLine(title);
                foreach (string line in lines)
                    output.WriteLine($"  {line}");
                output.WriteLine();
            }

            return exitCode;
        }
    }
}
