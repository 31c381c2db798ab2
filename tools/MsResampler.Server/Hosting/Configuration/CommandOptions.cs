using System.CommandLine;

namespace MsResampler.Server.Hosting.Configuration;

/// <summary>The options of the command: those of the settings, and a few that are no settings.</summary>
internal sealed class CommandOptions
{
    private readonly Dictionary<Setting<ServerSettings>, Option<string?>> _server = [];
    private readonly Dictionary<Setting<ModelSettings>, Option<string[]>> _models = [];

    public CommandOptions()
    {
        foreach (Setting<ModelSettings> setting in ModelSettingList.All)
        {
            _models.Add(setting, new Option<string[]>(setting.Option)
            {
                Description = setting.Description,
                HelpName = setting.HelpName,
                Arity = ArgumentArity.OneOrMore,
                AllowMultipleArgumentsPerToken = setting.Clear is not null,
            });
        }

        foreach (Setting<ServerSettings> setting in ServerSettingList.All)
        {
            _server.Add(setting, new Option<string?>(setting.Option)
            {
                Description = setting.Description,
                HelpName = setting.HelpName,
            });
        }
    }

    /// <summary>The name of the model of <c>--model</c>.</summary>
    public Option<string?> ModelName { get; } = new("--name")
    {
        Description = "The name of the model in the protocol, if there is one --model.",
        HelpName = "NAME",
    };

    /// <summary>The file with settings.</summary>
    public Option<string?> SettingsFile { get; } = new("--settings")
    {
        Description = "A JSON file with settings in its section MsResampler (default: appsettings.json in the " +
            "current folder, if there is one).",
        HelpName = "FILE",
    };

    /// <summary>The address of a server to check.</summary>
    public Option<string?> HealthAddress { get; } = new("--check-health")
    {
        Description = "Start no server, but ask another one, such as http://127.0.0.1:8080/v2/health/ready; the exit " +
            "code is 0 if it answers with success, and else 1.",
        HelpName = "URL",
    };

    /// <summary>All options, in the order of the help.</summary>
    public IEnumerable<Option> All
    {
        get
        {
            foreach (Option option in _models.Values)
            {
                yield return option;
                if (option.Name == ModelSettingList.Path.Option)
                    yield return ModelName;
            }

            foreach (Option option in _server.Values)
                yield return option;
            yield return SettingsFile;
            yield return HealthAddress;
        }
    }

    /// <summary>The options that are given as a source of settings.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="findModel">Finds a model of other sources without regard to case.</param>
    /// <param name="otherModels">The models of other sources.</param>
    /// <exception cref="SettingsException">The name of a model is wrong, or there is no such model.</exception>
    public SettingsSource Read(ParseResult parsed, Func<string, string?> findModel, IEnumerable<string> otherModels)
    {
        List<KeyValuePair<string, string?>> entries = [];
        foreach ((Setting<ServerSettings> setting, Option<string?> option) in _server)
        {
            if (parsed.GetResult(option) is not null)
                entries.Add(KeyValuePair.Create(setting.Key, parsed.GetValue(option)));
        }

        Dictionary<string, string> paths = ReadPaths(parsed, findModel);
        foreach ((string name, string path) in paths)
            entries.Add(KeyValuePair.Create(KeyOf(name, ModelSettingList.Path), (string?)path));
        string[] models = [.. paths.Keys.Union(otherModels)];
        foreach ((Setting<ModelSettings> setting, Option<string[]> option) in _models)
        {
            if (setting != ModelSettingList.Path)
                entries.AddRange(ReadOption(setting, parsed.GetValue(option) ?? [], models));
        }

        return new SettingsSource(entries, Describe);
    }

    private Dictionary<string, string> ReadPaths(ParseResult parsed, Func<string, string?> findModel)
    {
        string option = ModelSettingList.Path.Option;
        string[] values = parsed.GetValue(_models[ModelSettingList.Path]) ?? [];
        string? onlyName = parsed.GetValue(ModelName);
        if (onlyName is not null && values.Length != 1)
            throw new SettingsException($"{ModelName.Name}: expected one {option}, found {values.Length}; name " +
                $"several models with {option} NAME=PATH");
        if (onlyName is not null && !SettingValue.IsModelName(onlyName))
            throw new SettingsException($"{ModelName.Name}: expected {ModelNames.Expected}, found '{onlyName}'");
        Dictionary<string, string> paths = [];
        foreach (string value in values)
        {
            (string? given, string path) = onlyName is null ? ModelNames.Split(value) : (onlyName, value);
            if (!SettingValue.IsPath(path))
                throw new SettingsException($"{option}: expected {ModelSettingList.Path.Expected}, found '{value}'");
            string name = given ?? ModelNames.Of(path) ?? throw new SettingsException($"{option}: the name of {path} " +
                $"is not one for a model; expected {ModelNames.Expected}; use {option} NAME={path}");
            if (paths.Keys.FirstOrDefault(known => known.Equals(name, StringComparison.OrdinalIgnoreCase))
                is { } twice)
            {
                throw new SettingsException($"{option}: expected models whose names differ by more than case, found " +
                    $"'{twice}' and '{name}'; use {option} NAME=PATH");
            }

            if (findModel(name) is { } other && other != name)
                throw new SettingsException($"{option}: expected the name '{other}' of the other settings, found " +
                    $"'{name}'; names of models must differ by more than case");
            paths.Add(name, path);
        }

        return paths;
    }

    private static IEnumerable<KeyValuePair<string, string?>> ReadOption(Setting<ModelSettings> setting,
        string[] values, string[] models)
    {
        string? all = null;
        Dictionary<string, string> own = [];
        foreach (string text in values)
        {
            (string? name, string value) = ModelNames.Split(text);
            if (name is not null && !models.Contains(name))
                throw new SettingsException($"{setting.Option}: expected the name of a model " +
                    $"({string.Join(", ", models)}), found '{name}'; write a path with '=' as ./{text}");
            string? before = name is null ? all : own.GetValueOrDefault(name);
            if (before is not null && setting.Clear is null)
                throw new SettingsException($"{setting.Option}: expected one value" +
                    $"{(name is null ? "" : $" for {name}")}, found '{before}' and '{value}'");
            string joined = before is null ? value : $"{before},{value}";
            if (name is null)
                all = joined;
            else
                own[name] = joined;
        }

        foreach (string model in models)
        {
            if (own.GetValueOrDefault(model, all!) is { } value)
                yield return KeyValuePair.Create(KeyOf(model, setting), (string?)value);
        }
    }

    private static string KeyOf(string model, Setting<ModelSettings> setting)
        => ConfigurationPath.Combine(nameof(ServerSettings.Models), model, setting.Key);

    private static string Describe(string key)
    {
        string last = key.Split(ConfigurationPath.KeyDelimiter)[^1];
        return ServerSettingList.All.FirstOrDefault(setting => setting.Key == key)?.Option
            ?? ModelSettingList.All.FirstOrDefault(setting => setting.Key == last)?.Option ?? key;
    }
}
