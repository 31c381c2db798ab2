using MsResampler.Server.Hosting.Logging;

namespace MsResampler.Server.Hosting.Configuration;

/// <summary>The settings of the server.</summary>
internal static class ServerSettingList
{
    private const int MaxPort = 65_535;
    private const int MaxCount = 1_000_000;
    private const int MaxInstances = 64;
    private const double MaxSeconds = 86_400;
    private const double MaxMilliseconds = 60_000;
    private const string ExpectedPort = "a port from 1 to 65535, 0 for any free port, or -1 for none";
    private const string ExpectedSeconds = "seconds from 0 to 86400";
    private const string ExpectedBytes = "a number of bytes such as 1048576, 64MiB or 2GiB";

    private static readonly (string Name, LogLevel Level)[] s_levels =
    [
        ("trace", LogLevel.Trace), ("debug", LogLevel.Debug), ("info", LogLevel.Information),
        ("warning", LogLevel.Warning), ("error", LogLevel.Error), ("none", LogLevel.None),
    ];

    /// <summary>All settings, in the order of the help.</summary>
    public static IReadOnlyList<Setting<ServerSettings>> All { get; } =
    [
        Whole(nameof(ServerSettings.Http), "--http", "PORT",
            "The port of REST, health and metrics, HTTP/1.1; 0 for any free port, -1 for none (default: 8080).",
            ExpectedPort, -1, MaxPort, (settings, value) => settings.Http = (int)value),
        Whole(nameof(ServerSettings.Grpc), "--grpc", "PORT",
            "The port of gRPC, HTTP/2 without TLS; the paths of REST are there, too (default: 8081).",
            ExpectedPort, -1, MaxPort, (settings, value) => settings.Grpc = (int)value),
        new(nameof(ServerSettings.Address), "--address", "ADDRESS",
            "The address that both ports listen on: an IP address, localhost, or * for all (default: *).",
            "an IP address, localhost or *", (settings, text) =>
            {
                settings.Address = text;
                return SettingValue.IsAddress(text);
            }),
        Count(nameof(ServerSettings.BatchSize), "--batch-size",
            "The largest number of images or groups of frames that are computed together (default: 8).",
            (settings, value) => settings.BatchSize = value),
        Number(nameof(ServerSettings.BatchDelay), "--batch-delay", "MS",
            "The longest time in milliseconds that a request waits for others while the model is idle; while it is " +
            "busy, requests wait together anyway (default: 0).",
            "milliseconds from 0 to 60000", MaxMilliseconds, (settings, value) => settings.BatchDelay = value),
        Count(nameof(ServerSettings.QueueSize), "--queue-size",
            "The largest number of requests of a model that wait; others are answered with 429 (default: 256).",
            (settings, value) => settings.QueueSize = value),
        Whole(nameof(ServerSettings.Instances), "--instances", "N",
            "The number of batches of a model that are computed at the same time (default: 1).",
            $"a whole number from 1 to {MaxInstances}", 1, MaxInstances,
            (settings, value) => settings.Instances = (int)value),
        Number(nameof(ServerSettings.RequestTimeout), "--request-timeout", "S",
            "The longest time in seconds from the end of a request's body to its answer; 0 for no limit " +
            "(default: 30).",
            ExpectedSeconds, MaxSeconds, (settings, value) => settings.RequestTimeout = value),
        Whole(nameof(ServerSettings.MaxConnections), "--max-connections", "N",
            "The largest number of connections at the same time; 0 for no limit (default: 2048).",
            $"a whole number from 0 to {MaxCount}", 0, MaxCount,
            (settings, value) => settings.MaxConnections = (int)value),
        Bytes(nameof(ServerSettings.MaxRequestBytes), "--max-request-bytes",
            "The largest body of a request (default: 64MiB).", 1,
            (settings, value) => settings.MaxRequestBytes = value),
        Count(nameof(ServerSettings.MaxRequestImages), "--max-request-images",
            "The largest number of images, or of frames of groups, of a request (default: 256).",
            (settings, value) => settings.MaxRequestImages = value),
        Bytes(nameof(ServerSettings.MaxMemoryBytes), "--max-memory",
            "The memory of all requests in progress; 0 for a quarter of what the process may use (default: 0).", 0,
            (settings, value) => settings.MaxMemoryBytes = value),
        new(nameof(ServerSettings.ClientHeader), "--client-header", "NAME",
            "The request header with the name of the client, which a trusted proxy sets (default: clients are told " +
            "apart by their addresses).",
            "the name of a header", (settings, text) =>
            {
                settings.ClientHeader = text;
                return SettingValue.IsHeader(text);
            }),
        Number(nameof(ServerSettings.ShutdownDelay), "--shutdown-delay", "S",
            "The time in seconds after SIGTERM in which the server still accepts requests, but reports that it is " +
            "not ready, so that load balancers notice (default: 0).",
            ExpectedSeconds, MaxSeconds, (settings, value) => settings.ShutdownDelay = value),
        Number(nameof(ServerSettings.Grace), "--grace", "S",
            "The time in seconds for requests in progress after SIGTERM and the delay; then they are cancelled " +
            "(default: 30).",
            ExpectedSeconds, MaxSeconds, (settings, value) => settings.Grace = value),
        new(nameof(ServerSettings.LogFormat), "--log-format", "plain|json",
            "The format of the lines on standard output (default: plain).", "plain or json", (settings, text) =>
            {
                settings.LogFormat = text == "json" ? LogFormat.Json : LogFormat.Plain;
                return text is "plain" or "json";
            }),
        new(nameof(ServerSettings.LogLevel), "--log-level", string.Join('|', s_levels.Select(level => level.Name)),
            "The lowest level of log lines (default: info).",
            string.Join(", ", s_levels.Select(level => level.Name)), (settings, text) =>
            {
                settings.LogLevel = Array.Find(s_levels, level => level.Name == text).Level;
                return Array.Exists(s_levels, level => level.Name == text);
            }),
    ];

    private static Setting<ServerSettings> Count(string key, string option, string description,
        Action<ServerSettings, int> set) => Whole(key, option, "N", description,
            $"a whole number from 1 to {MaxCount}", 1, MaxCount, (settings, value) => set(settings, (int)value));

    private static Setting<ServerSettings> Whole(string key, string option, string helpName, string description,
        string expected, long min, long max, Action<ServerSettings, long> set)
        => new(key, option, helpName, description, expected, (settings, text) =>
        {
            bool isRight = SettingValue.TryWhole(text, min, max, out long value);
            set(settings, value);
            return isRight;
        });

    private static Setting<ServerSettings> Number(string key, string option, string helpName, string description,
        string expected, double max, Action<ServerSettings, double> set)
        => new(key, option, helpName, description, expected, (settings, text) =>
        {
            bool isRight = SettingValue.TryNumber(text, max, out double value);
            set(settings, value);
            return isRight;
        });

    private static Setting<ServerSettings> Bytes(string key, string option, string description, long min,
        Action<ServerSettings, long> set) => new(key, option, "BYTES", description, ExpectedBytes, (settings, text) =>
        {
            bool isRight = SettingValue.TryBytes(text, min, out long value);
            set(settings, value);
            return isRight;
        });
}
