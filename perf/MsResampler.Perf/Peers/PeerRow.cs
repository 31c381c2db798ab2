using System.Text.Json.Serialization;

namespace MsResampler.Perf.Peers;

/// <summary>A row of the table: the engine and ONNX Runtime on the same work. Times are in milliseconds. In the JSON
/// file the names are in snake case.</summary>
/// <param name="Shape">The shape's name.</param>
/// <param name="Batch">Images in a call.</param>
/// <param name="ShareKv">Whether scopes share keys and values.</param>
/// <param name="Threads">Threads of each implementation.</param>
/// <param name="OursTimes">The times of the engine.</param>
/// <param name="PeerTimes">The times of the peer.</param>
internal sealed record PeerRow(string Shape, int Batch, bool ShareKv, int Threads,
    [property: JsonIgnore] Spread OursTimes, [property: JsonIgnore] Spread PeerTimes)
{
    public string Peer { get; } = "onnxruntime";

    /// <summary>The median time of the engine.</summary>
    public double OursMs => OursTimes.Median;

    public double OursP10Ms => OursTimes.P10;

    public double OursP90Ms => OursTimes.P90;

    /// <summary>The median time of the peer.</summary>
    public double PeerMs => PeerTimes.Median;

    public double PeerP10Ms => PeerTimes.P10;

    public double PeerP90Ms => PeerTimes.P90;

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
    public int Calls => OursTimes.Count;

    /// <summary>The time to load the model in a new process; null for a row without a model.</summary>
    public double? OursLoadMs { get; init; }

    /// <summary>The time of the first call in a new process; null for a row without a model.</summary>
    public double? OursFirstMs { get; init; }

    public double? PeerLoadMs { get; init; }

    public double? PeerFirstMs { get; init; }
}
