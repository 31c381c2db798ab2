using Google.Protobuf;
using MsResampler.Model;

namespace MsResampler.Onnx;

/// <summary>Writes a model as a standard ONNX graph, for any runtime that reads ONNX.</summary>
public static class OnnxExporter
{
    /// <summary>The name of the graph's input: patch features, [batch, H, W, C], float32.</summary>
    public const string InputName = "features";

    /// <summary>The name of the graph's output: visual tokens, [batch, M, L], float32.</summary>
    public const string OutputName = "tokens";

    /// <summary>Writes the whole model for images of one patch grid, which is part of the input's shape, and batches of any
    /// size: standard operators (version 17) in float32. Whatever does not depend on the features is computed here, in
    /// double precision, and stored as a constant: projected queries, positions, scope priors as additive
    /// masks.</summary>
    /// <remarks>Every constant is finite. In ONNX Runtime, tokens are as close to double precision as the CPU engine's, also
    /// where features are constant or up to 10⁵ standard deviations from 0; features beyond 10¹⁸ overflow in its
    /// LayerNormalization.</remarks>
    /// <param name="model">The model; not kept.</param>
    /// <param name="grid">The patch grid of every image.</param>
    /// <param name="destination">Receives the file's bytes; left open.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="grid"/> has no rows or no
    /// columns.</exception>
    /// <exception cref="NotSupportedException">The file would exceed the 2 GiB that protobuf
    /// allows.</exception>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public static void Write(ResamplerModel model, PatchGrid grid, Stream destination)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentOutOfRangeException.ThrowIfLessThan(grid.Rows, 1, nameof(grid));
        ArgumentOutOfRangeException.ThrowIfLessThan(grid.Columns, 1, nameof(grid));
        new ResamplerGraph(model, grid).Build().WriteTo(destination);
    }
}
