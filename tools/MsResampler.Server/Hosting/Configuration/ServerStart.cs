using System.Collections;

namespace MsResampler.Server.Hosting.Configuration;

/// <summary>What a command line asks for. Without an address to check, it is a server.</summary>
/// <param name="Settings">The settings of the server.</param>
/// <param name="Platform">The sections of ASP.NET Core in the file and the environment, <c>Kestrel</c> and
/// <c>Logging</c>, and the variables of OpenTelemetry.</param>
internal sealed record ServerStart(ServerSettings Settings, IConfiguration Platform)
{
    /// <summary>The section with endpoints that replace the ports.</summary>
    public const string EndpointsKey = "Kestrel:Endpoints";

    private static readonly string[] s_platformPrefixes = ["Kestrel__", "Logging__", "OTEL_"];

    /// <summary>An address that is asked whether a server works, in place of starting one; or null.</summary>
    public Uri? HealthAddress { get; init; }

    /// <summary>Finds the settings of the platform in an environment.</summary>
    public static IEnumerable<KeyValuePair<string, string?>> PlatformSettings(IDictionary environment)
        => environment.Cast<DictionaryEntry>()
            .Where(entry => Array.Exists(s_platformPrefixes,
                prefix => ((string)entry.Key).StartsWith(prefix, StringComparison.OrdinalIgnoreCase)))
            .Select(entry => KeyValuePair.Create(((string)entry.Key).Replace("__", ConfigurationPath.KeyDelimiter,
                StringComparison.Ordinal), (string?)entry.Value));
}
