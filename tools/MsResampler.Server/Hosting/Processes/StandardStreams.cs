using MsResampler.Cli.Native;

namespace MsResampler.Server.Hosting.Processes;

/// <summary>Standard output and standard error of the process.</summary>
internal static class StandardStreams
{
    /// <summary>Opens both streams. This is called before the process opens other files.</summary>
    /// <returns>The streams; <see cref="Stream.Null"/> for one that was closed.</returns>
    public static (Stream Output, Stream Error) Open()
    {
        (bool hasOutput, bool hasError) = StreamDescriptors.Detect();
        return (hasOutput ? Console.OpenStandardOutput() : Stream.Null,
            hasError ? Console.OpenStandardError() : Stream.Null);
    }
}
