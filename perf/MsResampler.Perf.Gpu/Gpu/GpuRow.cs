using System.Text.Json.Serialization;
using MsResampler.Perf.Models;

namespace MsResampler.Perf.Gpu;

/// <summary>A model at one batch and precision. The names are those of the JSON file, in snake case.</summary>
/// <param name="Shape">The shape.</param>
/// <param name="Batch">Images in a call.</param>
/// <param name="Precision">Numeric precision asked for.</param>
internal sealed record GpuRow([property: JsonIgnore] PeerShape Shape, int Batch, string Precision)
{
    /// <summary>The model folder's name.</summary>
    public string Model => Shape.Key;

    /// <summary>The patch grid.</summary>
    public string Grid => Shape.Grid.ToString();

    /// <summary>Why there are no figures; null where there are.</summary>
    public string? Failure { get; init; }

    /// <summary>Whether what failed is the result, which was not near enough to the CPU engine's.</summary>
    public bool IsWrong { get; init; }

    /// <summary>Relative L2 difference of the first image's tokens from the CPU engine's in float32.</summary>
    public double? RelativeL2 { get; init; }

    public ModelFigures? Figures { get; init; }

    /// <summary>cuBLAS on the model's matrix products, in milliseconds by step.</summary>
    public IReadOnlyDictionary<string, double>? Cublas { get; init; }
}
