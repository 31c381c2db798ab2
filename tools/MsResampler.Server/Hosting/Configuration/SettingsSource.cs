using System.Collections;
using System.Text.Json;

namespace MsResampler.Server.Hosting.Configuration;

/// <summary>Where settings come from: a file, the environment or the command line.</summary>
/// <param name="entries">The settings: keys within the section of the server, and values; null for none.</param>
/// <param name="describe">The name that a key has in the source, for errors.</param>
internal sealed class SettingsSource(IEnumerable<KeyValuePair<string, string?>> entries, Func<string, string> describe)
{
    private const string EnvironmentPrefix = ServerSettings.SectionName + EnvironmentDelimiter;
    private const string EnvironmentDelimiter = "__";

    /// <summary>The settings in the order of their keys, in which the elements of a list are in order, too.</summary>
    public IReadOnlyList<KeyValuePair<string, string?>> Entries { get; } =
        [.. entries.OrderBy(entry => entry.Key, ConfigurationKeyComparer.Instance)];

    /// <summary>The name that a key has in the source, such as <c>--http</c>.</summary>
    public string Describe(string key) => describe(key);

    /// <summary>The variables of an environment that start with <c>MsResampler__</c>.</summary>
    public static SettingsSource OfEnvironment(IDictionary environment) => new(
        environment.Cast<DictionaryEntry>().Where(entry => ((string)entry.Key).StartsWith(EnvironmentPrefix,
            StringComparison.OrdinalIgnoreCase))
        .Select(entry => KeyValuePair.Create(((string)entry.Key)[EnvironmentPrefix.Length..]
            .Replace(EnvironmentDelimiter, ConfigurationPath.KeyDelimiter, StringComparison.Ordinal),
            (string?)entry.Value)),
        key => EnvironmentPrefix + key.Replace(ConfigurationPath.KeyDelimiter, EnvironmentDelimiter,
            StringComparison.Ordinal));

    /// <summary>The section of the server in a file.</summary>
    /// <param name="file">The content of the file.</param>
    /// <param name="path">The path of the file, for errors.</param>
    public static SettingsSource OfFile(IConfiguration file, string path) => new(
        file.GetSection(ServerSettings.SectionName).AsEnumerable(makePathsRelative: true)
            .Where(entry => entry.Key.Length > 0 && (entry.Value is not null || !file.GetSection(
                ConfigurationPath.Combine(ServerSettings.SectionName, entry.Key)).GetChildren().Any())),
        key => $"{path}: {ConfigurationPath.Combine(ServerSettings.SectionName, key)}");

    /// <summary>Reads a file, once.</summary>
    /// <param name="path">The path of a JSON file.</param>
    /// <exception cref="SettingsException">The file cannot be read.</exception>
    public static IConfigurationRoot ReadFile(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            return new ConfigurationBuilder().AddJsonStream(stream).Build();
        }
        catch (Exception exception) when (exception is JsonException or FormatException)
        {
            throw new SettingsException($"{path}: expected settings in JSON; {exception.Message}", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new SettingsException($"{path}: the settings cannot be read; {exception.Message}", exception);
        }
    }
}
