using System.CommandLine;
using System.Diagnostics;
using MsResampler.Perf.Serving;

namespace MsResampler.Perf.Soak;

/// <summary>The command <c>soak</c>: right, wrong, slow and vanishing clients together, for as long as one likes, and
/// what they leave behind.</summary>
internal static class SoakCommand
{
    private const int SampleCount = 120;
    private const int ImageCount = 4;

    /// <summary>What a line of the server's log has if it is an error.</summary>
    private const string ErrorMark = "Z error ";

    private static readonly TimeSpan s_settleLimit = TimeSpan.FromSeconds(20);

    /// <summary>The number of clients of each kind.</summary>
    private static readonly (SoakKind Kind, int Count)[] s_clients =
    [
        (SoakKind.RestRight, 4), (SoakKind.GrpcRight, 3), (SoakKind.RestWrong, 2), (SoakKind.GrpcWrong, 1),
        (SoakKind.RestSlow, 3), (SoakKind.RestGone, 2), (SoakKind.Http2Gone, 1), (SoakKind.GrpcGone, 2),
    ];

    public static Command Create()
    {
        Option<double> minutes = new("--minutes")
        {
            Description = "How long requests are sent.",
            HelpName = "N",
            DefaultValueFactory = _ => 10,
        };
        Command command = new("soak", "Send right, wrong, slow and cancelled requests to a server at the same time, " +
            "and check its answers, its memory and its counters. The exit code is 1 if something is wrong.")
        {
            minutes,
        };
        command.SetAction((parsed, _) => RunAsync(TimeSpan.FromMinutes(parsed.GetValue(minutes))));
        return command;
    }

    private static async Task<int> RunAsync(TimeSpan duration)
    {
        PeerShape shape = PeerShape.Tiny with { ShareKeyValues = true };
        PerfModel model = PerfModel.Of(shape);
        PreparedCall[] calls = Prepare(shape, model);
        WrongRequest[] wrong = WrongRequest.All(shape.VisionWidth);
        using ServerProcess server = ServerProcess.Start(model.Folder, "--max-request-bytes", "1MiB");
        ServerCounters before = ServerCounters.Of(server);
        Dictionary<SoakKind, SoakCounts> counts = s_clients.ToDictionary(clients => clients.Kind,
            _ => new SoakCounts());
        using CancellationTokenSource end = new();
        int seed = 0;
        Task[] clients = [.. s_clients.SelectMany(group => Enumerable.Range(0, group.Count).Select(_ =>
            new SoakClient(group.Kind, server, calls, wrong, counts[group.Kind], seed++)))
            .Select(client => Task.Run(() => client.RunAsync(end.Token)))];
        List<(double Seconds, long Bytes)> samples = [];
        Stopwatch elapsed = Stopwatch.StartNew();
        while (elapsed.Elapsed < duration && !server.Process.HasExited)
        {
            await Task.Delay(duration / SampleCount).ConfigureAwait(false);
            samples.Add((elapsed.Elapsed.TotalSeconds, server.ResidentBytes));
        }

        await end.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(clients).ConfigureAwait(false);
        if (server.Process.HasExited)
        {
            Console.WriteLine($"wrong: the server ended with {server.Process.ExitCode}\n{server.Output}");
            return 1;
        }

        ServerCounters after = await SettleAsync(server, before).ConfigureAwait(false);
        SoakReport report = new(elapsed.Elapsed, counts, MemoryTrend.Of(samples), before, after, server.Stop(),
            [.. server.Output.Split('\n').Where(line => line.Contains(ErrorMark, StringComparison.Ordinal))]);
        Console.WriteLine(report);
        return report.Problems.Count > 0 ? 1 : 0;
    }

    /// <summary>Requests of one image to <see cref="ImageCount"/> images.</summary>
    private static PreparedCall[] Prepare(PeerShape shape, PerfModel model)
    {
        using Resampler engine = Resampler.Load(model.Folder, new ResamplerOptions { Backend = Backend.Cpu });
        return [.. Enumerable.Range(1, ImageCount).Select(count =>
        {
            float[] features = model.Features(count);
            float[] tokens = model.Tokens(count);
            engine.Resample(features, model.Grids(count), tokens);
            return PreparedCall.Of(features, model.Grids(count), shape.VisionWidth, tokens);
        })];
    }

    /// <summary>Waits until the server has noticed that the clients have gone.</summary>
    private static async Task<ServerCounters> SettleAsync(ServerProcess server, ServerCounters before)
    {
        Stopwatch waited = Stopwatch.StartNew();
        ServerCounters counters = ServerCounters.Of(server);
        while (waited.Elapsed < s_settleLimit && (counters.Waiting > 0 || counters.SocketCount > before.SocketCount))
        {
            await Task.Delay(200).ConfigureAwait(false);
            counters = ServerCounters.Of(server);
        }

        return counters;
    }
}
