namespace MsResampler.Safetensors;

/// <summary>Files from which the tensors of a model are read, of one format. Opening has validated them. Any number of
/// threads may read at once.</summary>
internal interface ITensorSource : IDisposable
{
    /// <summary>The file, or the index, that was opened.</summary>
    string SourcePath { get; }

    /// <summary>All tensors, ordered by name (ordinal).</summary>
    IReadOnlyList<TensorInfo> Tensors { get; }

    /// <summary>Maps other names of tensors to the stored tensors.</summary>
    IReadOnlyDictionary<string, TensorInfo> Aliases { get; }

    /// <summary>For each tensor that an index names and no file holds, the reason why it is missing.</summary>
    IReadOnlyDictionary<string, string> Absent { get; }

    /// <summary>What was ignored when the files were opened, one sentence each.</summary>
    IReadOnlyList<string> Warnings { get; }

    /// <summary>Reads elements as float32, from a row-major index until the destination is full.</summary>
    void Read(TensorInfo tensor, long firstElement, Span<float> destination);

    /// <summary>Reads elements as float64, from a row-major index until the destination is full.</summary>
    void Read(TensorInfo tensor, long firstElement, Span<double> destination);

    /// <summary>Copies stored bytes, from an index within the tensor until the destination is full.</summary>
    void ReadBytes(TensorInfo tensor, long firstByte, Span<byte> destination);
}
