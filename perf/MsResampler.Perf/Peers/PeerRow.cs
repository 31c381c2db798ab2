using MsResampler.Perf.Measuring;

namespace MsResampler.Perf.Peers;

/// <summary>One line of the table: the engine and ONNX Runtime on the same work. Times in milliseconds. The
/// names are those of the JSON file, in snake case.</summary>
/// <param name="Shape">The shape's name.</param>
/// <param name="Batch">Images in a call.</param>
/// <param name="ShareKv">Whether scopes share keys and values.</param>
/// <param name="Threads">Threads of either side.</param>
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

    /// <summary>Peer time over our time, of the medians.</summary>
    public double Ratio => PeerMs / OursMs;

    /// <summary>Operations that the engine does, in 10⁹.</summary>
    public required double Gflop { get; init; }

    /// <summary>Operations of the model as written, which is what the peer's graph does.</summary>
    public required double NaiveGflop { get; init; }

    /// <summary>Our operations per second over the measured peak at as many threads.</summary>
    public double PeakShare { get; init; }

    /// <summary>Relative L2 difference of the two results.</summary>
    public required double RelativeL2 { get; init; }

    /// <summary>Calls counted, of each side.</summary>
    public required int Calls { get; init; }

    /// <summary>Loading in a fresh process; null where the row is no model.</summary>
    public double? OursLoadMs { get; init; }

    /// <summary>The first call after it.</summary>
    public double? OursFirstMs { get; init; }

    public double? PeerLoadMs { get; init; }

    public double? PeerFirstMs { get; init; }

    public static PeerRow Of(string shape, int batch, bool shareKeyValues, int threadCount, Samples ours, Samples peer,
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
