using System.Globalization;
using MsResampler.Perf.Serving;

namespace MsResampler.Perf.Soak;

/// <summary>What the server says and what the system says of its process.</summary>
/// <param name="Successes">Requests that it answered.</param>
/// <param name="Failures">Requests of the model that it did not answer.</param>
/// <param name="Internal">Those of them that are its own fault.</param>
/// <param name="Waiting">Requests that wait.</param>
/// <param name="SocketCount">Sockets: the ports and open connections.</param>
/// <param name="ThreadCount">Threads.</param>
internal sealed record ServerCounters(long Successes, long Failures, long Internal, long Waiting, int SocketCount,
    int ThreadCount)
{
    /// <summary>Asks a server.</summary>
    public static ServerCounters Of(ServerProcess server)
    {
        string[] lines = server.Get("/metrics").Split('\n');
        string folder = $"/proc/{server.Process.Id}";
        return new ServerCounters(Sum(lines, "nv_inference_request_success"),
            Sum(lines, "nv_inference_request_failure"),
            Sum([.. lines.Where(line => line.Contains("kind=\"internal\"", StringComparison.Ordinal))],
                "msresampler_request_failures_total"), Sum(lines, "nv_inference_pending_request_count"),
            Directory.GetFileSystemEntries($"{folder}/fd").Count(IsSocket),
            Directory.GetDirectories($"{folder}/task").Length);
    }

    private static bool IsSocket(string descriptor)
        => new FileInfo(descriptor).LinkTarget?.StartsWith("socket:", StringComparison.Ordinal) is true;

    private static long Sum(string[] lines, string name)
    {
        string[] found = [.. lines.Where(line => line.StartsWith(name + "{", StringComparison.Ordinal))];
        return found.Sum(line => (long)double.Parse(line[(line.LastIndexOf(' ') + 1)..],
            CultureInfo.InvariantCulture));
    }
}
