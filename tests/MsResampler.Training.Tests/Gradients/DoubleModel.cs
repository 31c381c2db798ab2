using MsResampler.Reference;
using MsResampler.Safetensors;

namespace MsResampler.Training.Tests.Gradients;

/// <summary>A model whose parameters are doubles that tests may change between two uses of the reference.</summary>
internal sealed class DoubleModel : ITensorSource
{
    private readonly ResamplerConfig _config;
    private readonly double[][] _values;
    private readonly Dictionary<string, int> _indices;

    /// <summary>Copies the present values of a model in training.</summary>
    public DoubleModel(TrainableModel model)
        : this(model.Config, model.Tensors.Select(tensor => (tensor.Name, tensor.Shape.Select(extent => (long)extent),
            tensor.Values.ToArray())))
    {
    }

    /// <summary>The values of a random model, in single precision.</summary>
    public DoubleModel(ResamplerConfig config, RandomModelOptions options, ulong seed)
        : this(config, RandomModel.CreateTensors(config, seed, options).Select(tensor
            => (tensor.Name, (IEnumerable<long>)tensor.Shape, tensor.ToArray())))
    {
    }

    private DoubleModel(ResamplerConfig config,
        IEnumerable<(string Name, IEnumerable<long> Shape, float[] Values)> tensors)
    {
        _config = config;
        (string Name, IEnumerable<long> Shape, float[] Values)[] sorted =
            [.. tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal)];
        _values = [.. sorted.Select(tensor => Array.ConvertAll(tensor.Values, value => (double)value))];
        Tensors = [.. sorted.Select((tensor, index) => new TensorInfo(tensor.Name, TensorType.F64,
            [.. tensor.Shape], tensor.Values.Length, firstByte: 0, sizeof(double) * (long)tensor.Values.Length,
            fileIndex: index))];
        _indices = Tensors.ToDictionary(tensor => tensor.Name, tensor => tensor.FileIndex, StringComparer.Ordinal);
    }

    public string SourcePath => "the model in double precision";

    public IReadOnlyList<TensorInfo> Tensors { get; }

    public IReadOnlyDictionary<string, TensorInfo> Aliases { get; } = new Dictionary<string, TensorInfo>();

    public IReadOnlyDictionary<string, string> Absent { get; } = new Dictionary<string, string>();

    public IReadOnlyList<string> Warnings => [];

    /// <summary>The elements of a parameter, row-major.</summary>
    public double[] this[string name] => _values[_indices[name]];

    /// <summary>The parameters, rounded to single precision.</summary>
    public TrainableModel ToTrainable()
    {
        using ResamplerModel model = ResamplerModel.FromTensors(_config, this);
        return TrainableModel.From(model);
    }

    /// <summary>The reference with the present values.</summary>
    public ReferenceResampler ToReference()
    {
        using ResamplerModel model = ResamplerModel.FromTensors(_config, this);
        return ReferenceResampler.Load(model);
    }

    public void Read(TensorInfo tensor, long firstElement, Span<float> destination)
    {
        ReadOnlySpan<double> source = _values[tensor.FileIndex].AsSpan((int)firstElement, destination.Length);
        for (int index = 0; index < source.Length; index++)
            destination[index] = (float)source[index];
    }

    public void Read(TensorInfo tensor, long firstElement, Span<double> destination)
        => _values[tensor.FileIndex].AsSpan((int)firstElement, destination.Length).CopyTo(destination);

    public void ReadBytes(TensorInfo tensor, long firstByte, Span<byte> destination)
        => System.Runtime.InteropServices.MemoryMarshal.AsBytes(_values[tensor.FileIndex].AsSpan())
            .Slice((int)firstByte, destination.Length).CopyTo(destination);

    public void Dispose()
    {
    }
}
