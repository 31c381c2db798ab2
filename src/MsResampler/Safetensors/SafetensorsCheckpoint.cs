namespace MsResampler.Safetensors;

/// <summary>The tensors of one safetensors file, or of a sharded checkpoint read through its index, memory-mapped
/// and validated before any view exists.</summary>
public sealed class SafetensorsCheckpoint : IDisposable
{
    /// <summary>Opens a <c>.safetensors</c> file, a <c>.safetensors.index.json</c>, or a folder that holds one of
    /// them (an index first, then <c>model.safetensors</c>, then the only <c>.safetensors</c> file).</summary>
    /// <param name="path">The file or folder.</param>
    /// <exception cref="FileNotFoundException">There is no such file, or no checkpoint in the folder.</exception>
    public static SafetensorsCheckpoint Open(string path) => throw new NotImplementedException();

    /// <summary>Where the checkpoint was read from.</summary>
    public string SourcePath => throw new NotImplementedException();

    /// <summary>All tensors, ordered by name (ordinal).</summary>
    public IReadOnlyList<TensorInfo> Tensors => throw new NotImplementedException();

    /// <summary>Finds a tensor by name.</summary>
    public TensorInfo? Find(string name) => throw new NotImplementedException();

    /// <summary>Converts elements to single precision: exact for F32, F16 and BF16 (NaN payloads kept), rounded to
    /// nearest even for F64.</summary>
    /// <param name="tensor">A tensor of this checkpoint.</param>
    /// <param name="firstElement">Index of the first element, row-major.</param>
    /// <param name="destination">Receives as many elements as it holds.</param>
    public void Read(TensorInfo tensor, long firstElement, Span<float> destination)
        => throw new NotImplementedException();

    /// <summary>Converts elements to double precision, exactly for every supported type.</summary>
    /// <inheritdoc cref="Read(TensorInfo, long, Span{float})"/>
    public void Read(TensorInfo tensor, long firstElement, Span<double> destination)
        => throw new NotImplementedException();

    /// <summary>Unmaps the files. Reads after this throw <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose() => throw new NotImplementedException();
}
