using System.CommandLine;

namespace MsResampler.Perf.Peers;

/// <summary>The command <c>peers</c>: times the engine and ONNX Runtime in turns, in one process, with the same
/// weights, and checks that their results agree.</summary>
internal sealed class PeersCommand
{
    private const string Float32 = "float32";
    private const string Int8 = "int8";
    private const string Both = "both";

    private static readonly int[] s_batches = [1, 8];

    private readonly CpuVariant _variant = CpuVariant.Choose();
    private readonly KernelSet _kernels;
    private readonly List<PeerRow> _rows = [];
    private readonly List<IntegerRow> _integerRows = [];
    private readonly SortedDictionary<int, double> _peaks = [];
    private readonly int _threadCount;
    private readonly TimeSpan _duration;
    private readonly int _coldProcessCount;

    private PeersCommand(int threadCount, bool isQuick)
    {
        _kernels = KernelSet.Of(_variant);
        _threadCount = threadCount;
        _duration = TimeSpan.FromSeconds(isQuick ? 3 : 20);
        _coldProcessCount = isQuick ? 1 : 5;
    }

    public static Command Create()
    {
        Option<bool> quick = new("--quick") { Description = "Measure each row for a few seconds only." };
        Option<int> threads = new("--threads")
        {
            Description = "Threads of each implementation.",
            HelpName = "N",
            DefaultValueFactory = _ => Environment.ProcessorCount,
        };
        Option<string[]> shapes = ShapeOptions.NamesOption();
        Option<string> precision = new Option<string>("--precision")
        {
            Description = "float32: with the same arithmetic; int8: products of integers; both (default).",
            HelpName = "NAME",
            DefaultValueFactory = _ => Both,
        }.AcceptOnlyFromAmong(Float32, Int8, Both);
        Option<string?> json = new("--json") { Description = "Also write the rows to this file.", HelpName = "FILE" };
        Command command = new("peers", "Time the engine and ONNX Runtime in turns on the CPU.")
        {
            quick, threads, shapes, precision, json,
        };
        command.SetAction(parsed =>
        {
            bool isQuick = parsed.GetValue(quick);
            PeersCommand peers = new(parsed.GetValue(threads), isQuick);
            string chosen = parsed.GetValue(precision)!;
            PeerReport report = peers.Run(parsed.GetValue(shapes) ?? [], chosen);
            string line = $"peers --threads {peers._threadCount}{(isQuick ? " --quick" : "")}" +
                (chosen == Both ? "" : $" --precision {chosen}");
            bool isWhole = chosen == Both && parsed.GetValue(shapes) is null or [];
            peers.Save(report, line, isWhole, parsed.GetValue(json));
        });
        return command;
    }

    private PeerReport Run(string[] shapeNames, string precision)
    {
        MeasurePeaks();
        foreach (int threadCount in precision == Int8 ? [] : (int[])[.. _peaks.Keys])
            AddGemm(threadCount);
        List<ScopeOverhead> overheads = [];
        foreach (PeerShape shape in PeerShape.All)
        {
            if (shapeNames.Length > 0 && !shapeNames.Contains(shape.Name))
                continue;
            if (precision != Float32)
            {
                AddIntegers(shape);
                AddIntegers(shape with { ShareKeyValues = true });
            }

            if (precision == Int8)
                continue;
            AddModel(shape);
            AddModel(shape with { ShareKeyValues = true });
            overheads.Add(MeasureOverhead(shape with { ShareKeyValues = true }));
        }

        // Measured again, and the larger figure counts: the machine may have been disturbed at the start.
        MeasurePeaks();
        return new PeerReport([.. _rows.Select(row => row with
        {
            PeakShare = row.Gflop / row.OursMs * 1e3 / _peaks[row.Threads],
        })], _integerRows, overheads, _peaks);
    }

    private void Save(PeerReport report, string command, bool isWhole, string? jsonPath)
    {
        string markdown = report.ToMarkdown(_variant.Name, command);
        if (isWhole)
        {
            string folder = Machine.ResultsFolder(_variant.Name);
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, "peers.md"), markdown);
        }

        if (jsonPath is not null)
            File.WriteAllText(jsonPath, report.ToJson(_variant.Name, command));
        Console.WriteLine(markdown);
    }

    private void MeasurePeaks()
    {
        foreach (int threadCount in (ReadOnlySpan<int>)[1, _threadCount])
            _peaks[threadCount] = Math.Max(_peaks.GetValueOrDefault(threadCount),
                FmaPeak.Measure(_kernels, threadCount) / 1e9);
    }

    private void AddGemm(int threadCount)
    {
        GemmShape shape = GemmShape.KeysAndValues;
        Random random = new(1);
        float[] a = [.. Enumerable.Range(0, shape.Rows * shape.Inner).Select(_ => random.NextSingle() - 0.5f)];
        float[] b = [.. Enumerable.Range(0, shape.Columns * shape.Inner).Select(_ => random.NextSingle() - 0.5f)];
        float[] ours = new float[shape.Rows * shape.Columns];
        float[] theirs = new float[ours.Length];
        string path = Path.Combine(Path.GetTempPath(), "ms-resampler-perf", $"gemm-{shape}.onnx");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, MatMulGraph.Write(shape, b));
        using OnnxPeer peer = new(path, threadCount);
        peer.Bind(a, [shape.Rows, shape.Inner], theirs, [shape.Rows, shape.Columns]);
        _rows.Add(Compare($"gemm {shape}", 1, shareKeyValues: false, threadCount,
            _kernels.Gemm(a, b, ours, shape, threadCount), peer.Run, ours, theirs, shape.Flops, shape.Flops));
    }

    private void AddModel(PeerShape shape)
    {
        using PeerPair pair = new(shape, _threadCount);
        foreach (int batch in s_batches)
        {
            pair.Bind(batch);
            PeerRow row = Compare(shape.Name, batch, shape.ShareKeyValues, _threadCount, pair.RunOurs, pair.RunPeer,
                pair.OursTokens, pair.PeerTokens, pair.Plan.Flops * batch, pair.Plan.NaiveFlops * batch);
            (ColdStart ours, ColdStart peer) = pair.MeasureColdStarts(batch, _coldProcessCount);
            _rows.Add(row with
            {
                OursLoadMs = ours.LoadMs,
                OursFirstMs = ours.FirstMs,
                PeerLoadMs = peer.LoadMs,
                PeerFirstMs = peer.FirstMs,
            });
        }
    }

    private void AddIntegers(PeerShape shape)
    {
        using IntegerSet set = new(shape, _threadCount);
        foreach (int batch in s_batches)
        {
            IntegerRow row = set.Measure(batch, _duration);
            _integerRows.Add(row);
            Console.Error.WriteLine($"{row.Shape}, {(row.ShareKv ? "shared" : "separate")}, batch {batch}: float32 " +
                $"{row.Float32Ms:0.00} ms, int8 {row.Ours.Ms:0.00} ms, all layers {row.OursAll.Ms:0.00} ms, " +
                $"ONNX Runtime {row.Dynamic.Ms:0.00} ms and {row.Static.Ms:0.00} ms");
        }
    }

    private ScopeOverhead MeasureOverhead(PeerShape shape)
    {
        const int Batch = 1;
        using PeerPair three = new(shape, _threadCount);
        using PeerPair one = new(shape.GlobalOnly(), _threadCount);
        three.Bind(Batch);
        one.Bind(Batch);
        Spread[] times = Alternation.Measure(2 * _duration, three.RunOurs, one.RunOurs, three.RunPeer, one.RunPeer);
        Agreement.Check(one.OursTokens, one.PeerTokens, shape.GlobalOnly().Name);
        return new ScopeOverhead(shape.Name, Batch, times[0].Median, times[1].Median, times[2].Median, times[3].Median);
    }

    /// <summary>Checks that the results agree, then times both implementations.</summary>
    private PeerRow Compare(string name, int batch, bool shareKeyValues, int threadCount, Action ours, Action peer,
        float[] oursResult, float[] peerResult, double flops, double naiveFlops)
    {
        ours();
        peer();
        double difference = Agreement.Check(oursResult, peerResult, name);
        Spread[] times = Alternation.Measure(_duration, ours, peer);
        PeerRow row = new(name, batch, shareKeyValues, threadCount, times[0], times[1])
        {
            Gflop = flops / 1e9,
            NaiveGflop = naiveFlops / 1e9,
            RelativeL2 = difference,
        };
        Console.Error.WriteLine($"{name}, {(shareKeyValues ? "shared" : "separate")}, batch {batch}, {threadCount} " +
            $"threads: {row.OursMs:0.00} ms, ONNX Runtime {row.PeerMs:0.00} ms, ratio {row.Ratio:0.00}");
        return row;
    }
}
