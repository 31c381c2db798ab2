using MsResampler.Safetensors;
using MsResampler.Training;

namespace MsResampler.Scenes;

/// <summary>Readers in safetensors files.</summary>
internal static class ReaderFile
{
    /// <summary>The name of the file beside a model.</summary>
    public const string Name = "reader.safetensors";

    private const string Positions = "reader.positions";

    /// <summary>Writes a file atomically.</summary>
    public static void Save(string path, Reader reader)
        => SafetensorsWriter.Write(path, reader.Tensors.Select(tensor => new TensorToWrite(tensor.Name, TensorType.F32,
            [.. tensor.Shape.Select(extent => (long)extent)], tensor.Values.ToArray())));

    /// <summary>Reads a file.</summary>
    /// <exception cref="SafetensorsException">The file is not a safetensors file.</exception>
    /// <exception cref="InvalidDataException">The file does not contain a reader.</exception>
    public static Reader Load(string path)
    {
        using SafetensorsCheckpoint file = SafetensorsCheckpoint.Open(path);
        return Load(file, path);
    }

    /// <summary>Reads a file in memory.</summary>
    /// <inheritdoc cref="Load(string)" path="/exception"/>
    public static Reader Load(ReadOnlyMemory<byte> content)
    {
        using SafetensorsCheckpoint file = SafetensorsCheckpoint.Open(CheckpointBytes.Of(content));
        return Load(file, Name);
    }

    private static Reader Load(SafetensorsCheckpoint file, string path)
    {
        Dictionary<string, TensorInfo> found = file.Tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        if (!found.TryGetValue(Positions, out TensorInfo? positions) || positions.Shape is not [> 0 and < 65536,
            > 0 and < 65536])
            throw new InvalidDataException($"{path}: expected {Positions} with the number of tokens and their size, " +
                "found " + (positions is null ? "none" : $"[{string.Join(", ", positions.Shape)}]"));
        Reader reader = new((int)positions.Shape[0], (int)positions.Shape[1], seed: 0);
        foreach (TrainableTensor tensor in reader.Tensors)
        {
            string shape = string.Join(", ", tensor.Shape);
            string present = found.TryGetValue(tensor.Name, out TensorInfo? info) ? string.Join(", ", info.Shape)
                : "none";
            if (present != shape)
                throw new InvalidDataException($"{path}: {tensor.Name}: expected [{shape}], found " +
                    (info is null ? present : $"[{present}]"));
            file.Read(info!, 0, tensor.Values);
        }

        return reader;
    }
}
