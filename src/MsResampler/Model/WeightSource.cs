using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>Opens the files that hold the weights of a model, of any format that is known.</summary>
internal static class WeightSource
{
    /// <summary>Opens a folder, a file or an index.</summary>
    /// <inheritdoc cref="SafetensorsCheckpoint.Open"/>
    public static ITensorSource Open(string path) => SafetensorsCheckpoint.Open(path);
}
