using MsResampler.Cpu;

namespace MsResampler.Training;

/// <summary>A parameter of a model: its values in single precision, and the gradient of the loss.</summary>
/// <remarks>Not thread-safe. Values may be written between a call of <see cref="ResamplerTrainer.Backward"/> and the
/// next call of
/// <see cref="ResamplerTrainer.Forward(ReadOnlySpan{float}, FrameGroups, Span{float}, CancellationToken)"/>.</remarks>
public sealed unsafe class TrainableTensor
{
    private readonly AlignedBuffer _values;
    private readonly AlignedBuffer _gradient;

    /// <summary>Copies values; the gradient is zero. A program that trains more than a model gives its own parameters
    /// to the optimiser in this way.</summary>
    /// <param name="name">The name, unique among the tensors of an optimiser.</param>
    /// <param name="shape">The extents, outermost first; each at least 1.</param>
    /// <param name="values">The elements, row-major.</param>
    /// <exception cref="ArgumentException">The name is empty, or the number of values is not that of the
    /// shape.</exception>
    public TrainableTensor(string name, IReadOnlyList<int> shape, ReadOnlySpan<float> values)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(shape);
        // The product stops growing once it exceeds the number of values: it cannot overflow to that number.
        int found = values.Length;
        if (shape.Any(extent => extent < 1)
            || shape.Aggregate(1L, (count, extent) => count > found ? count : count * extent) != found)
            throw new ArgumentException($"'{name}': expected one value for each element of the shape " +
                $"[{string.Join(", ", shape)}], found {values.Length} values", nameof(values));
        Name = name;
        Shape = [.. shape];
        _values = AlignedBuffer.Copy(values);
        _gradient = new AlignedBuffer(values.Length);
    }

    /// <summary>The name in the checkpoint, such as <c>scopes.0.attn.q_proj.weight</c>.</summary>
    public string Name { get; }

    /// <summary>The extents, outermost first.</summary>
    public IReadOnlyList<int> Shape { get; }

    /// <summary>The number of elements.</summary>
    public int Count => _values.Count;

    /// <summary>The elements, row-major.</summary>
    public Span<float> Values => _values.Span;

    /// <summary>The gradient of the loss with respect to the elements, row-major.
    /// <see cref="ResamplerTrainer.Backward"/> adds to it; <see cref="TrainableModel.ClearGradients"/> sets it to
    /// zero.</summary>
    public Span<float> Gradient => _gradient.Span;

    /// <summary>Whether an optimiser leaves the values as they are. The gradient of a frozen tensor is not computed
    /// where that saves work.</summary>
    public bool IsFrozen { get; set; }

    /// <summary>Whether an optimiser applies weight decay: to the matrices of linear layers, and not to biases, layer
    /// norms, queries, positions and <c>log_sigma</c>.</summary>
    public bool HasDecay => Name.EndsWith(".weight", StringComparison.Ordinal) && Shape.Count == 2;

    /// <summary>The first element, aligned to 64 bytes and valid while this object is reachable.</summary>
    internal float* Pointer => _values.Pointer;

    /// <summary>The first element of the gradient, aligned to 64 bytes and valid while this object is
    /// reachable.</summary>
    internal float* GradientPointer => _gradient.Pointer;

    /// <inheritdoc/>
    public override string ToString() => $"{Name} [{string.Join(", ", Shape)}]";
}
