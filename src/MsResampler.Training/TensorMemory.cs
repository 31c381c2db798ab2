using System.Numerics.Tensors;
using MsResampler.Safetensors;

namespace MsResampler.Training;

/// <summary>Trainable tensors as the source of a model's weights, which are read in their present state.</summary>
internal sealed class TensorMemory : ITensorSource
{
    private readonly TrainableTensor[] _tensors;

    public TensorMemory(IEnumerable<TrainableTensor> tensors)
    {
        _tensors = [.. tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal)];
        Tensors = [.. _tensors.Select((tensor, index) => new TensorInfo(tensor.Name, TensorType.F32,
            [.. tensor.Shape.Select(extent => (long)extent)], tensor.Count, firstByte: 0,
            sizeof(float) * (long)tensor.Count, fileIndex: index))];
    }

    public string SourcePath => "the model in training";

    public IReadOnlyList<TensorInfo> Tensors { get; }

    public IReadOnlyDictionary<string, TensorInfo> Aliases { get; } = new Dictionary<string, TensorInfo>();

    public IReadOnlyDictionary<string, string> Absent { get; } = new Dictionary<string, string>();

    public IReadOnlyList<string> Warnings => [];

    public void Read(TensorInfo tensor, long firstElement, Span<float> destination)
        => ValuesOf(tensor).Slice((int)firstElement, destination.Length).CopyTo(destination);

    public void Read(TensorInfo tensor, long firstElement, Span<double> destination)
        => TensorPrimitives.ConvertTruncating<float, double>(
            ValuesOf(tensor).Slice((int)firstElement, destination.Length), destination);

    public void ReadBytes(TensorInfo tensor, long firstByte, Span<byte> destination)
        => System.Runtime.InteropServices.MemoryMarshal.AsBytes(ValuesOf(tensor))
            .Slice((int)firstByte, destination.Length).CopyTo(destination);

    public void Dispose()
    {
    }

    private ReadOnlySpan<float> ValuesOf(TensorInfo tensor) => _tensors[tensor.FileIndex].Values;
}
