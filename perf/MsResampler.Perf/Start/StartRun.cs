using System.Diagnostics;
using System.Globalization;
using System.Runtime;
using System.Text.Json;

namespace MsResampler.Perf.Start;

/// <summary>What a new process found, from its start to its second call.</summary>
/// <param name="Phases">The phases in order.</param>
/// <param name="Methods">The compiled methods, if the process listened to the compiler.</param>
internal sealed record StartRun(IReadOnlyList<StartPhase> Phases, IReadOnlyList<CompiledMethod> Methods)
{
    /// <summary>The name of the hidden command that calls <see cref="Print"/> in a new process.</summary>
    public const string CommandName = "start-once";

    /// <summary>The phase that prepares the model.</summary>
    public const string PreparePhase = "prepare: read and pack all weights";

    /// <summary>The phase of the first call.</summary>
    public const string FirstCallPhase = "first call";

    /// <summary>Runs a new process.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="grid">The grid of the images.</param>
    /// <param name="batch">Images in a call.</param>
    /// <param name="threadCount">Threads.</param>
    /// <param name="listens">Whether to list the compiled methods, which makes the process slower.</param>
    /// <param name="storage">How the weights are kept.</param>
    public static StartRun InNewProcess(string folder, PatchGrid grid, int batch, int threadCount, bool listens,
        WeightStorage storage = WeightStorage.Float32)
        => NewProcess.Run<StartRun>([CommandName, folder, $"{grid}", $"{batch}", $"{threadCount}", $"{listens}",
            $"{storage}", Stopwatch.GetTimestamp().ToString(CultureInfo.InvariantCulture)]).Result;

    /// <summary>The work of the new process: prints the phases as JSON.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="grid">The grid of the images.</param>
    /// <param name="batch">Images in a call.</param>
    /// <param name="threadCount">Threads.</param>
    /// <param name="listens">Whether to list the compiled methods.</param>
    /// <param name="storage">How the weights are kept.</param>
    /// <param name="startTimestamp">When the other process started this one; its clock is that of this
    /// process.</param>
    public static void Print(string folder, PatchGrid grid, int batch, int threadCount, bool listens,
        WeightStorage storage, long startTimestamp)
    {
        List<StartPhase> phases = [];
        List<(string Name, DateTime End)> ends = [];
        Figures last = new(startTimestamp, TimeSpan.Zero, 0, 0, 0);
        using JitListener? listener = listens ? new JitListener() : null;
        End("runtime and command line");
        Backend.Cpu.StartPreparing(Precision.Float32);
        using ResamplerModel model = ResamplerModel.Open(folder);
        End("open: headers, check of all values");
        using Resampler engine = Resampler.Load(model, new ResamplerOptions
        {
            ThreadCount = threadCount,
            WeightStorage = storage,
        });
        End(PreparePhase);
        float[] features = new float[(long)batch * grid.PatchCount * engine.Config.VisionHiddenSize];
        Array.Fill(features, 0.5f);
        float[] tokens = new float[(long)batch * engine.Config.QueryGrid.QueryCount * engine.Config.OutputSize];
        PatchGrid[] grids = [.. Enumerable.Repeat(grid, batch)];
        End("features of the caller");
        engine.Resample(features, grids, tokens);
        End(FirstCallPhase);
        engine.Resample(features, grids, tokens);
        End("second call");
        Console.WriteLine(JsonSerializer.Serialize(new StartRun(phases, listener?.Methods(ends) ?? [])));

        void End(string name)
        {
            Figures now = Figures.Now();
            phases.Add(new StartPhase(name, Stopwatch.GetElapsedTime(last.Timestamp, now.Timestamp).TotalMilliseconds,
                (now.Jit - last.Jit).TotalMilliseconds, now.MethodCount - last.MethodCount,
                now.PageFaultCount - last.PageFaultCount,
                (now.AllocatedBytes - last.AllocatedBytes) / (double)(1 << 20)));
            ends.Add((name, DateTime.UtcNow));
            last = Figures.Now();
        }
    }

    /// <summary>Figures of the process since its start.</summary>
    private readonly record struct Figures(long Timestamp, TimeSpan Jit, long MethodCount, long PageFaultCount,
        long AllocatedBytes)
    {
        public static Figures Now() => new(Stopwatch.GetTimestamp(), JitInfo.GetCompilationTime(),
            JitInfo.GetCompiledMethodCount(), PageFaults(), GC.GetTotalAllocatedBytes());

        /// <summary>The page faults that read nothing from a disk: field 10 of /proc/self/stat on Linux.</summary>
        private static long PageFaults()
        {
            const string Path = "/proc/self/stat";
            if (!File.Exists(Path))
                return 0;
            string text = File.ReadAllText(Path);
            // Field 2, the name in parentheses, may contain spaces.
            return long.Parse(text[(text.LastIndexOf(')') + 2)..].Split(' ')[7], CultureInfo.InvariantCulture);
        }
    }
}
