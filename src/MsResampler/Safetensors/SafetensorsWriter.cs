namespace MsResampler.Safetensors;

/// <summary>Writes safetensors files whose bytes depend on the content alone.</summary>
public static class SafetensorsWriter
{
    /// <summary>Writes a file: to a temporary name beside <paramref name="path"/> first, then renamed over it.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="tensors">The tensors, in any order; names are unique.</param>
    /// <param name="metadata">Optional strings for <c>__metadata__</c>.</param>
    public static void Write(string path, IEnumerable<TensorToWrite> tensors,
        IReadOnlyDictionary<string, string>? metadata = null) => throw new NotImplementedException();
}

/// <summary>A tensor to be written.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">The type to store; values are rounded to it, to nearest even.</param>
/// <param name="Shape">The extents, outermost first.</param>
/// <param name="Values">The elements, row-major; as many as the shape says.</param>
public sealed record TensorToWrite(string Name, TensorType Type, IReadOnlyList<long> Shape, ReadOnlyMemory<float> Values);
