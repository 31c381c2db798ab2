using System.Globalization;

namespace MsResampler.Perf.Gpu;

/// <summary>A speed that the engine should reach, relative to a peer on the same machine.</summary>
/// <param name="Subject">What is compared.</param>
/// <param name="Peer">The peer.</param>
/// <param name="Ratio">The time of the peer divided by the engine's.</param>
/// <param name="Least">The ratio to reach.</param>
internal sealed record SpeedBar(string Subject, string Peer, double Ratio, double Least)
{
    /// <summary>The share of cuBLAS's speed that the largest product should reach.</summary>
    private const double LeastOfCublas = 0.8;

    /// <summary>The shape and the batch whose largest product is compared with cuBLAS.</summary>
    private const string ProductShape = "clip-l-336";

    /// <inheritdoc cref="ProductShape"/>
    private const int ProductBatch = 64;

    /// <summary>How many times as fast as the fastest variant in PyTorch a forward pass should be, by batch.</summary>
    private static readonly Dictionary<int, double> s_leastOfTorch = new() { [1] = 1.5, [64] = 1 };

    /// <summary>Whether the ratio is reached.</summary>
    public bool IsReached => Ratio >= Least;

    /// <summary>The bar of a row's largest product; null if it has none, or there is no time of cuBLAS.</summary>
    public static SpeedBar? OfProduct(GpuRow row)
    {
        LaunchFigures? largest = row.Figures?.LargestProduct;
        return largest is not null && row.Variant is null && row.Batch == ProductBatch
            && row.Precision is "float16" or "bfloat16"
            && row.Model.StartsWith(ProductShape + "-", StringComparison.Ordinal)
            && row.Cublas?.TryGetValue(largest.Step, out double milliseconds) == true
            ? new SpeedBar($"{largest.Step} {largest.Product}", "cuBLAS", milliseconds / largest.Milliseconds,
                LeastOfCublas) : null;
    }

    /// <summary>The bar of a row's forward pass; null if its batch has none.</summary>
    /// <param name="row">The row, with figures.</param>
    /// <param name="milliseconds">The time of the fastest variant in PyTorch.</param>
    public static SpeedBar? OfPass(GpuRow row, double milliseconds)
        => s_leastOfTorch.TryGetValue(row.Batch, out double least)
            ? new SpeedBar("forward pass", "PyTorch", milliseconds / row.Figures!.Warm.Median, least) : null;

    /// <summary>The bar in one line.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Subject} has {Ratio:0.00} of the speed of {Peer}, {ToCell()}");

    /// <summary>The bar, and whether it is reached.</summary>
    public string ToCell() => string.Create(CultureInfo.InvariantCulture,
        $"bar {Least:0.00} {(IsReached ? "reached" : "missed")}");
}
