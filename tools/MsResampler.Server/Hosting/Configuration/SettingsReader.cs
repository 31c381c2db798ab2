namespace MsResampler.Server.Hosting.Configuration;

/// <summary>Reads settings from several sources, of which a later one replaces the values of those before it. Unknown
/// keys and wrong values are errors in every source.</summary>
internal sealed class SettingsReader
{
    private const string ModelsKey = nameof(ServerSettings.Models);
    private const int ModelKeyDepth = 3;

    private readonly ServerSettings _settings = new();
    private readonly Dictionary<string, ModelSettings> _models = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, string> _origins = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The settings of all sources.</summary>
    public ServerSettings Settings => _settings;

    /// <summary>The name that a key has in the source that set it; without one, the key itself.</summary>
    /// <param name="keys">The parts of the key.</param>
    public string Describe(params string[] keys)
    {
        string key = ConfigurationPath.Combine(keys);
        return _origins.GetValueOrDefault(key) ?? ConfigurationPath.Combine(ServerSettings.SectionName, key);
    }

    /// <summary>The name of a model without regard to case, as the first source writes it; null if there is
    /// none.</summary>
    public string? FindModel(string name)
        => _models.Keys.FirstOrDefault(known => known.Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>Reads a source.</summary>
    /// <exception cref="SettingsException">A key is unknown, or a value is wrong.</exception>
    public void Read(SettingsSource source)
    {
        HashSet<string> cleared = new(StringComparer.OrdinalIgnoreCase);
        foreach ((string key, string? value) in source.Entries)
        {
            string[] parts = key.Split(ConfigurationPath.KeyDelimiter);
            if (!parts[0].Equals(ModelsKey, StringComparison.OrdinalIgnoreCase))
            {
                Setting<ServerSettings> setting = Find(ServerSettingList.All, parts[0])
                    ?? throw Unknown(source, key, ServerSettingList.All.Select(known => known.Key).Prepend(ModelsKey));
                if (parts.Length > 1)
                    throw Wrong(source, key, setting.Expected, "a key within it");
                Set(source, key, setting, _settings, value);
            }
            else if (parts.Length >= ModelKeyDepth)
            {
                ReadModel(source, key, parts, value, cleared);
            }
            else if (parts.Length == ModelKeyDepth - 1 || value is not null)
            {
                throw Wrong(source, key, "keys of models, such as Models:NAME:Path", $"'{value}'");
            }
        }

        _settings.Models = new Dictionary<string, ModelSettings>(_models);
    }

    private void ReadModel(SettingsSource source, string key, string[] parts, string? value, HashSet<string> cleared)
    {
        string name = parts[1];
        if (!SettingValue.IsModelName(name))
            throw Wrong(source, key, $"{ModelNames.Expected} as the name of a model", $"'{name}'");
        Setting<ModelSettings> setting = Find(ModelSettingList.All, parts[2])
            ?? throw Unknown(source, key, ModelSettingList.All.Select(known => known.Key));
        if (!_models.TryGetValue(name, out ModelSettings? model))
        {
            _models.Add(name, model = new ModelSettings());
            // If there is no path, the error names the source of the other settings.
            string path = ConfigurationPath.Combine(ModelsKey, name, nameof(ModelSettings.Path));
            _origins[path] = source.Describe(path);
        }

        if (setting.Clear is not { } clear)
        {
            if (parts.Length > ModelKeyDepth)
                throw Wrong(source, key, setting.Expected, "a key within it");
            Set(source, key, setting, model, value);
            return;
        }

        if (cleared.Add(ConfigurationPath.Combine(ModelsKey, name, setting.Key)))
            clear(model);
        char[] delimiters = [',', ' '];
        foreach (string text in (value ?? "").Split(delimiters, StringSplitOptions.RemoveEmptyEntries))
            Set(source, key, setting, model, text);
    }

    private void Set<TTarget>(SettingsSource source, string key, Setting<TTarget> setting, TTarget target,
        string? value)
    {
        if (value is null)
            return;
        if (!setting.TrySet(target, value))
            throw Wrong(source, key, setting.Expected, $"'{value}'");
        _origins[key] = source.Describe(key);
    }

    private static Setting<TTarget>? Find<TTarget>(IReadOnlyList<Setting<TTarget>> all, string key)
        => all.FirstOrDefault(setting => setting.Key.Equals(key, StringComparison.OrdinalIgnoreCase));

    private static SettingsException Wrong(SettingsSource source, string key, string expected, string found)
        => new($"{source.Describe(key)}: expected {expected}, found {found}");

    private static SettingsException Unknown(SettingsSource source, string key, IEnumerable<string> known)
        => new($"{source.Describe(key)}: there is no such setting; expected one of {string.Join(", ", known)}");
}
