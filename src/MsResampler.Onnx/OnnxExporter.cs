using Google.Protobuf;
using MsResampler.Model;

namespace MsResampler.Onnx;

/// <summary>Exports a model as an ONNX graph of standard operators.</summary>
public static class OnnxExporter
{
    /// <summary>The name of the input: patch features, [batch, H, W, C], float32.</summary>
    public const string InputName = "features";

    /// <summary>The name of the output: visual tokens, [batch, M, L], float32.</summary>
    public const string OutputName = "tokens";

    /// <summary>Writes a model for images of one patch grid and batches of any size. The graph uses standard
    /// operators (opset 17) in float32. Everything that does not depend on the features is computed in double
    /// precision and stored as a constant: projected queries, positions, and scope priors as additive
    /// masks.</summary>
    /// <remarks>All constants are finite. In ONNX Runtime the tokens are as accurate as those of the CPU backend,
    /// even if features are constant or up to 10⁵ standard deviations from 0. Features beyond 10¹⁸ overflow in the
    /// runtime's LayerNormalization. The graph is for images: groups of frames differ in the number of frames, their
    /// grids and their times, which one fixed graph cannot express.</remarks>
    /// <param name="model">The model. The caller may dispose it afterwards.</param>
    /// <param name="grid">The patch grid of every image.</param>
    /// <param name="destination">Receives the bytes of the file; stays open.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="grid"/> has no rows or no columns.</exception>
    /// <exception cref="NotSupportedException">The file would exceed 2 GiB, the limit of protobuf.</exception>
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
