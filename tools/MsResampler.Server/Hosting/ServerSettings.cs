using MsResampler.Server.Hosting.Logging;

namespace MsResampler.Server.Hosting;

/// <summary>The settings of a server. In a configuration they are keys of the section
/// <see cref="SectionName"/>.</summary>
internal sealed class ServerSettings
{
    /// <summary>The section of the configuration; in the environment <c>MsResampler__Key</c>.</summary>
    public const string SectionName = "MsResampler";

    /// <summary>The models, by their names in the protocol.</summary>
    public IDictionary<string, ModelSettings> Models { get; set; } = new Dictionary<string, ModelSettings>();

    /// <summary>The port of REST, metrics and health, HTTP/1.1; 0 for any free port, −1 for none.</summary>
    public int Http { get; set; } = 8080;

    /// <summary>The port of gRPC, HTTP/2; the paths of REST are there, too. 0 for any free port, −1 for
    /// none.</summary>
    public int Grpc { get; set; } = 8081;

    /// <summary>The address that both ports listen on: an IP address, <c>localhost</c>, or <c>*</c> for
    /// all.</summary>
    public string Address { get; set; } = "*";

    /// <summary>The largest number of images or groups that are computed together, at least 1.</summary>
    public int BatchSize { get; set; } = 8;

    /// <summary>The longest time that a request waits for others to fill its batch while the model is idle, in
    /// milliseconds; 0 to start at once. While the model is busy, requests wait together anyway.</summary>
    public double BatchDelay { get; set; }

    /// <summary>The largest number of requests of a model that wait, at least 1.</summary>
    public int QueueSize { get; set; } = 256;

    /// <summary>The number of batches of a model that are computed at the same time, at least 1.</summary>
    public int Instances { get; set; } = 1;

    /// <summary>The longest time from the end of a request's body to its answer, in seconds; 0 for no limit.</summary>
    public double RequestTimeout { get; set; } = 30;

    /// <summary>The largest number of connections at the same time; 0 for no limit.</summary>
    public int MaxConnections { get; set; } = 2048;

    /// <summary>The largest body of a request in bytes.</summary>
    public long MaxRequestBytes { get; set; } = 64L << 20;

    /// <summary>The largest number of images, or of frames of groups, of a request.</summary>
    public int MaxRequestImages { get; set; } = 256;

    /// <summary>The memory of all requests in progress in bytes; 0 for a quarter of what the process may
    /// use.</summary>
    public long MaxMemoryBytes { get; set; }

    /// <summary>The header with the name of the client, such as one that a trusted proxy sets; null to tell clients
    /// apart by their addresses.</summary>
    public string? ClientHeader { get; set; }

    /// <summary>The time that the server still accepts requests after SIGTERM while it reports that it is not ready, in
    /// seconds, so that load balancers notice.</summary>
    public double ShutdownDelay { get; set; }

    /// <summary>The time for requests in progress after SIGTERM and <see cref="ShutdownDelay"/>, in seconds; then they
    /// are cancelled.</summary>
    public double Grace { get; set; } = 30;

    /// <summary>The format of log lines.</summary>
    public LogFormat LogFormat { get; set; }

    /// <summary>The lowest level of log lines of this project; those of ASP.NET Core start at
    /// <see cref="LogLevel.Warning"/>.</summary>
    public LogLevel LogLevel { get; set; } = LogLevel.Information;
}
