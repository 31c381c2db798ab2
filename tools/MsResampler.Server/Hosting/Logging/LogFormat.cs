namespace MsResampler.Server.Hosting.Logging;

/// <summary>The format of log lines.</summary>
internal enum LogFormat
{
    /// <summary>Time, level, category and message.</summary>
    Plain,

    /// <summary>A JSON object in each line.</summary>
    Json,
}
