namespace MsResampler.Perf.Peers;

/// <summary>A row of the table: the engine and ONNX Runtime on the same work. Times are in milliseconds. In the JSON
/// file the names are in snake case.</summary>
/// <param name="Shape">The shape's name.</param>
/// <param name="Batch">Images in a call.</param>
/// <param name="ShareKv">Whether scopes share keys and values.</param>
/// <param name="Threads">Threads of each implementation.</param>
internal sealed record PeerRow(string Shape, int Batch, bool ShareKv, int Threads)
{
    public string Peer { get; } = "onnxruntime";

    /// <summary>Median.</summary>
    public required double OursMs { get; init; }

    public required double OursP10Ms { get; init; }

    public required double OursP90Ms { get; init; }

    /// <summary>Median.</summary>
    public required double PeerMs { get; init; }

    public required double PeerP10Ms { get; init; }

    public required double PeerP90Ms { get; init; }

    /// <summary>The median of the peer divided by the median of the engine.</summary>
    public double Ratio => PeerMs / OursMs;

    /// <summary>10⁹ operations of the engine.</summary>
    public required double Gflop { get; init; }

    /// <summary>10⁹ operations of the model as written, which the peer's graph executes.</summary>
    public required double NaiveGflop { get; init; }

    /// <summary>The engine's operations per second as a share of the measured peak with the same number of
    /// threads.</summary>
    public double PeakShare { get; init; }

    /// <summary>The relative L2 difference of the two results.</summary>
    public required double RelativeL2 { get; init; }

    /// <summary>The number of timed calls of each implementation.</summary>
    public required int Calls { get; init; }

    /// <summary>The time to load the model in a new process; null for a row without a model.</summary>
    public double? OursLoadMs { get; init; }

    /// <summary>The time of the first call in a new process; null for a row without a model.</summary>
    public double? OursFirstMs { get; init; }

    public double? PeerLoadMs { get; init; }

    public double? PeerFirstMs { get; init; }

    public static PeerRow Of(string shape, int batch, bool shareKeyValues, int threadCount, Spread ours, Spread peer,
        double gflop, double naiveGflop, double relativeL2) => new(shape, batch, shareKeyValues, threadCount)
        {
            OursMs = ours.Median,
            OursP10Ms = ours.P10,
            OursP90Ms = ours.P90,
            PeerMs = peer.Median,
            PeerP10Ms = peer.P10,
            PeerP90Ms = peer.P90,
            Gflop = gflop,
            NaiveGflop = naiveGflop,
            RelativeL2 = relativeL2,
            Calls = ours.Count,
        };
}
