using System.Text.Json.Serialization;

namespace MsResampler.Perf.Peers;

/// <summary>The times and the error of an implementation with products of integers.</summary>
/// <param name="Times">The times of calls, in milliseconds.</param>
/// <param name="Error">The relative L2 difference from the engine's tokens in float32.</param>
internal sealed record IntegerResult([property: JsonIgnore] Spread Times, double Error)
{
    public double Ms => Times.Median;

    public double P10Ms => Times.P10;

    public double P90Ms => Times.P90;
}
