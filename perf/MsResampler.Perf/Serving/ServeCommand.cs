using System.CommandLine;
using System.Globalization;

namespace MsResampler.Perf.Serving;

/// <summary>The command <c>serve</c>: what the server adds to the library, idle and under load.</summary>
internal static class ServeCommand
{
    private const int BatchSize = 8;

    /// <summary>More than the most connections, so that no request is refused: all come from one address.</summary>
    private const int QueueSize = 4096;

    private static readonly double[] s_delays = [0, 2, 10];
    private static readonly int[] s_connections = [1, 4, 16, 64, 256];

    public static Command Create()
    {
        Option<bool> quick = new("--quick") { Description = "Measure each load for half a second only." };
        Option<int> threads = new("--threads")
        {
            Description = "Threads of the engine, in the server and in this process.",
            HelpName = "N",
            DefaultValueFactory = _ => Environment.ProcessorCount,
        };
        Option<int[]> connections = new("--connections")
        {
            Description = $"Numbers of connections (default: {string.Join(' ', s_connections)}).",
            HelpName = "N",
            AllowMultipleArgumentsPerToken = true,
        };
        Option<double[]> delays = new("--delays")
        {
            Description = $"Batch delays in milliseconds (default: {string.Join(' ', s_delays)}).",
            HelpName = "MS",
            AllowMultipleArgumentsPerToken = true,
        };
        Option<string[]> shapes = new Option<string[]>("--shape")
        {
            Description = "Use only these models.",
            HelpName = "NAME",
            AllowMultipleArgumentsPerToken = true,
        }.AcceptOnlyFromAmong([.. Shapes.Select(shape => shape.Name)]);
        Command command = new("serve", "Compare the server with the library: time of a single call, and images per " +
            "second and times under load, over REST and gRPC.")
        {
            quick, threads, shapes, connections, delays,
        };
        command.SetAction((parsed, _) =>
        {
            string[] names = parsed.GetValue(shapes) ?? [];
            return RunAsync([.. Shapes.Where(shape => names.Length == 0 || names.Contains(shape.Name))],
                parsed.GetValue(delays) is { Length: > 0 } some ? some : s_delays,
                parsed.GetValue(connections) is { Length: > 0 } few ? few : s_connections,
                parsed.GetValue(threads), parsed.GetValue(quick));
        });
        return command;
    }

    /// <summary>A small model, whose calls show the work of the server, and one of a usual size.</summary>
    private static PeerShape[] Shapes => [PeerShape.Tiny with { ShareKeyValues = true },
        PeerShape.All[0] with { ShareKeyValues = true }];

    private static async Task<int> RunAsync(PeerShape[] shapes, double[] delays, int[] connections, int threadCount,
        bool isQuick)
    {
        string variant = CpuVariant.Choose().Name;
        TimeSpan duration = TimeSpan.FromSeconds(isQuick ? 0.5 : 4);
        string arguments = $"serve{(isQuick ? " --quick" : "")} --threads {threadCount}";
        ServingReport report = new(Machine.Describe(variant, arguments), BatchSize, duration);
        foreach (PeerShape shape in shapes)
        {
            using ServingModel model = new(shape, threadCount, BatchSize);
            IdleTimes idle = await MeasureIdleAsync(model, threadCount, duration).ConfigureAwait(false);
            List<ServingRow> rows = [];
            foreach (double delay in delays)
            {
                rows.AddRange(await MeasureAsync(model, delay, connections, threadCount, duration)
                    .ConfigureAwait(false));
            }

            report.Add(shape.Name, idle, rows);
        }

        Console.WriteLine(report);
        bool isWhole = shapes.Length == Shapes.Length && delays == s_delays && connections == s_connections;
        if (isWhole && !isQuick)
        {
            string folder = Machine.ResultsFolder(variant);
            Directory.CreateDirectory(folder);
            await File.WriteAllTextAsync(Path.Combine(folder, "serving.md"), report.ToString()).ConfigureAwait(false);
        }

        return 0;
    }

    private static ServerProcess Start(ServingModel model, double delay, int threadCount)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        return ServerProcess.Start(model.Folder, "--batch-size", BatchSize.ToString(culture), "--batch-delay",
            delay.ToString(culture), "--queue-size", QueueSize.ToString(culture), "--threads",
            threadCount.ToString(culture));
    }

    private static async Task<IdleTimes> MeasureIdleAsync(ServingModel model, int threadCount, TimeSpan duration)
    {
        using ServerProcess server = Start(model, 0, threadCount);
        using RestConnection rest = await RestConnection.OpenAsync(server.Http, CancellationToken.None)
            .ConfigureAwait(false);
        using GrpcConnection grpc = new(server.Grpc);
        // Until the compiler has seen the paths of the server.
        _ = Alternation.Measure(duration, () => Call(rest), () => Call(grpc));
        Spread[] spreads = Alternation.Measure(3 * duration, model.ComputeOne, () => Call(rest), () => Call(grpc));
        Stop(server);
        return new IdleTimes(spreads[0], spreads[1], spreads[2]);

        void Call(IServingConnection connection)
        {
            ServingAnswer answer = connection.CallAsync(model.Calls[0], CancellationToken.None).AsTask()
                .GetAwaiter().GetResult();
            if (!answer.IsRight(model.Calls[0]))
                throw new InvalidDataException($"expected the tokens of the engine, found {answer.Describe()}");
        }
    }

    private static async Task<List<ServingRow>> MeasureAsync(ServingModel model, double delay, int[] connections,
        int threadCount, TimeSpan duration)
    {
        using ServerProcess server = Start(model, delay, threadCount);
        bool[] protocols = [false, true];
        foreach (bool isGrpc in protocols)
            await ServingLoad.RunAsync(server, isGrpc, model.Calls, 4, duration).ConfigureAwait(false);
        List<ServingRow> rows = [];
        foreach (int connectionCount in connections)
        {
            foreach (bool isGrpc in protocols)
            {
                double before = model.Measure(duration / 4);
                ServingRate rate = await ServingLoad.RunAsync(server, isGrpc, model.Calls, connectionCount, duration)
                    .ConfigureAwait(false);
                double after = model.Measure(duration / 4);
                rows.Add(new ServingRow(delay, connectionCount, isGrpc, rate, (before + after) / 2));
            }
        }

        Stop(server);
        return rows;
    }

    private static void Stop(ServerProcess server)
    {
        int code = server.Stop();
        if (code != 0)
            throw new InvalidOperationException($"expected a server that ends with 0, found {code}\n{server.Output}");
    }
}
