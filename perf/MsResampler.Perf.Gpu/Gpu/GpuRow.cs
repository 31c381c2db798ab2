using System.Text.Json.Serialization;

namespace MsResampler.Perf.Gpu;

/// <summary>A model at one batch and precision. In the JSON file the names are in snake case.</summary>
/// <param name="Shape">The shape.</param>
/// <param name="Batch">Images in a call.</param>
/// <param name="Precision">The requested precision.</param>
internal sealed record GpuRow([property: JsonIgnore] PeerShape Shape, int Batch, string Precision)
{
    /// <summary>The model folder's name.</summary>
    public string Model => Shape.Key;

    /// <summary>The patch grid.</summary>
    public string Grid => Shape.Grid.ToString();

    /// <summary>The reason why there are no figures; null if there are.</summary>
    public string? Failure { get; init; }

    /// <summary>Whether the tokens differ too much from those of the CPU engine.</summary>
    public bool IsWrong { get; init; }

    /// <summary>Relative L2 difference of the first image's tokens from the float32 tokens of the CPU engine.</summary>
    public double? RelativeL2 { get; init; }

    public ModelFigures? Figures { get; init; }

    /// <summary>The time of cuBLAS for the matrix products of each step, in milliseconds.</summary>
    public IReadOnlyDictionary<string, double>? Cublas { get; init; }
}
