namespace MsResampler.Server.Hosting.Processes;

/// <summary>The exit codes of the process.</summary>
internal static class ExitCode
{
    /// <summary>The server stopped after every request had its answer.</summary>
    public const int Done = 0;

    /// <summary>The server stopped while requests were in progress.</summary>
    public const int Cancelled = 1;

    /// <summary>The server did not start: the settings are wrong, a port is in use, or no model can be used.</summary>
    public const int BadInput = 2;
}
