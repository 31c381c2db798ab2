using MsResampler.Files;
using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>Writes model folders: <c>config.json</c> and <c>model.safetensors</c>.</summary>
internal static class ModelFolder
{
    /// <summary>The name of the weights in a folder that this class writes.</summary>
    public const string WeightsFileName = "model.safetensors";

    /// <summary>Writes a model. At any time, also after the process was killed, the folder contains the previous model,
    /// the new model, or weights without a <c>config.json</c>. If several processes write to one folder, the last one
    /// wins.</summary>
    public static void Write(string folder, ReadOnlySpan<byte> configJson, IEnumerable<TensorToWrite> tensors,
        CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(folder);
        using AtomicFile weights = new(Path.Combine(folder, WeightsFileName));
        using AtomicFile configFile = new(Path.Combine(folder, ResamplerModel.ConfigFileName));
        SafetensorsWriter.Write(weights.Stream, tensors, cancellationToken);
        configFile.Stream.Write(configJson);
        AtomicFile.CommitPair(weights, configFile, cancellationToken);
    }
}
