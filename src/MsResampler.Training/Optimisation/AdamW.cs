using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace MsResampler.Training;

/// <summary>The optimiser AdamW: Adam with decoupled weight decay (arXiv 1711.05101) and bias correction.</summary>
/// <remarks><para>With the gradient g, the learning rate α and t, the number of steps of the tensor, a step
/// computes<br/>
/// w ← (1 − α·decay)·w, where the tensor <see cref="TrainableTensor.HasDecay"/><br/>
/// m ← β₁·m + (1 − β₁)·g, v ← β₂·v + (1 − β₂)·g²<br/>
/// w ← w − α/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε)</para>
/// <para>as PyTorch does, in single precision, element by element: the bits are the same on every machine. Frozen
/// tensors keep their values and their moments. Not thread-safe.</para></remarks>
public sealed class AdamW
{
    /// <summary>Elements that a thread updates at a time: some 10 µs, much more than a task costs.</summary>
    private const int ChunkCount = 1 << 16;

    private readonly State[] _states;
    private readonly AdamWOptions _options;
    private readonly ParallelOptions _parallel;

    /// <summary>Creates the state of tensors, all zero.</summary>
    /// <param name="tensors">The tensors; names are unique.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of range, a pattern matches no tensor, or two tensors have
    /// the same name.</exception>
    public AdamW(IReadOnlyList<TrainableTensor> tensors, AdamWOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        _options = options ?? new();
        _options.Validate();
        _parallel = new ParallelOptions
        {
            MaxDegreeOfParallelism = _options.ThreadCount == 0 ? Environment.ProcessorCount : _options.ThreadCount,
        };
        HashSet<string> names = [];
        foreach (TrainableTensor tensor in tensors)
        {
            if (!names.Add(tensor.Name))
                throw new ArgumentException($"'{tensor.Name}': expected each name once, found it twice",
                    nameof(tensors));
        }

        Dictionary<string, double> factors = tensors.ToDictionary(tensor => tensor.Name, _ => 1.0);
        foreach ((string pattern, double factor) in _options.RateFactors)
        {
            foreach (TrainableTensor tensor in NamePattern.Select(tensors, [pattern]))
                factors[tensor.Name] *= factor;
        }

        _states = [.. tensors.Select(tensor => new State(tensor, factors[tensor.Name]))];
        Tensors = tensors;
    }

    /// <summary>The tensors.</summary>
    public IReadOnlyList<TrainableTensor> Tensors { get; }

    /// <summary>The number of steps.</summary>
    public long StepCount { get; internal set; }

    internal IReadOnlyList<State> States => _states;

    /// <summary>Changes the values of all tensors that are not frozen, from their gradients. The gradients stay as they
    /// are.</summary>
    /// <param name="rate">The learning rate; at least 0.</param>
    /// <exception cref="TrainingException">A value or a moment has become NaN or infinite; all tensors before this one
    /// have changed.</exception>
    public void Step(double rate)
    {
        if (!(rate >= 0) || !double.IsFinite(rate))
            throw new ArgumentException($"{nameof(rate)}: expected a finite number of at least 0, found {rate:R}",
                nameof(rate));
        StepCount++;
        foreach (State state in _states)
        {
            if (state.Tensor.IsFrozen)
                continue;
            state.StepCount++;
            if (!Update(state, rate * state.RateFactor))
                throw new TrainingException(StepCount, state.Tensor.Name, DescribeFailure(state));
        }
    }

    private static string DescribeFailure(State state)
        => TensorPrimitives.IsFiniteAll<float>(state.Tensor.Values)
            ? "the squares of the gradient are beyond the range of single precision; clip the gradients, or scale " +
                "the loss"
            : "the weights have become NaN or infinite; lower the learning rate, or clip the gradients";

    /// <summary>Returns whether all values and moments are finite. If a first moment is not, its second moment is not
    /// either: the square of a gradient overflows before the gradient.</summary>
    private bool Update(State state, double rate)
    {
        double beta1 = _options.FirstMomentDecay;
        double beta2 = _options.SecondMomentDecay;
        Factors factors = new(
            (float)(state.Tensor.HasDecay ? 1 - (rate * _options.WeightDecay) : 1),
            (float)beta1, (float)(1 - beta1), (float)beta2, (float)(1 - beta2),
            (float)(1 / Math.Sqrt(1 - Math.Pow(beta2, state.StepCount))), (float)_options.Epsilon,
            (float)(rate / (1 - Math.Pow(beta1, state.StepCount))));
        int count = state.Tensor.Count;
        if (count <= ChunkCount || _parallel.MaxDegreeOfParallelism == 1)
            return Update(state, factors, 0, count);
        int unboundedCount = 0;
        Parallel.For(0, (count + ChunkCount - 1) / ChunkCount, _parallel, chunk =>
        {
            int first = chunk * ChunkCount;
            if (!Update(state, factors, first, Math.Min(ChunkCount, count - first)))
                Interlocked.Increment(ref unboundedCount);
        });
        return unboundedCount == 0;
    }

    /// <summary>Updates neighbouring elements and returns whether their values and moments are finite.</summary>
    private static bool Update(State state, in Factors factors, int start, int count)
    {
        Span<float> values = state.Tensor.Values.Slice(start, count);
        Span<float> gradient = state.Tensor.Gradient.Slice(start, count);
        Span<float> firstMoment = state.FirstMoment.AsSpan(start, count);
        Span<float> secondMoment = state.SecondMoment.AsSpan(start, count);
        Vector512<float> unbounded = Vector512<float>.Zero;
        Span<Vector512<float>> vectors = MemoryMarshal.Cast<float, Vector512<float>>(values);
        ReadOnlySpan<Vector512<float>> gradients = MemoryMarshal.Cast<float, Vector512<float>>(gradient);
        Span<Vector512<float>> first = MemoryMarshal.Cast<float, Vector512<float>>(firstMoment);
        Span<Vector512<float>> second = MemoryMarshal.Cast<float, Vector512<float>>(secondMoment);
        for (int index = 0; index < vectors.Length; index++)
        {
            vectors[index] = Updated(vectors[index], gradients[index], ref first[index], ref second[index], factors);
            // 0 for finite numbers, else NaN. An infinite second moment alone would make every further step 0.
            unbounded += vectors[index] - vectors[index] + (second[index] - second[index]);
        }

        float rest = Vector512.Sum(unbounded);
        for (int index = vectors.Length * Vector512<float>.Count; index < values.Length; index++)
        {
            Vector512<float> m = Vector512.CreateScalar(firstMoment[index]);
            Vector512<float> v = Vector512.CreateScalar(secondMoment[index]);
            values[index] = Updated(Vector512.CreateScalar(values[index]),
                Vector512.CreateScalar(gradient[index]), ref m, ref v, factors).ToScalar();
            (firstMoment[index], secondMoment[index]) = (m.ToScalar(), v.ToScalar());
            rest += values[index] - values[index] + (v.ToScalar() - v.ToScalar());
        }

        return float.IsFinite(rest);
    }

    private static Vector512<float> Updated(Vector512<float> value, Vector512<float> gradient,
        ref Vector512<float> first, ref Vector512<float> second, in Factors factors)
    {
        first = (first * factors.Beta1) + (gradient * factors.Beta1Rest);
        second = (second * factors.Beta2) + (gradient * factors.Beta2Rest * gradient);
        Vector512<float> divisor = (Vector512.Sqrt(second) * factors.RootScale)
            + Vector512.Create(factors.Epsilon);
        return (value * factors.Decay) - (first * factors.StepSize / divisor);
    }

    private readonly record struct Factors(float Decay, float Beta1, float Beta1Rest, float Beta2, float Beta2Rest,
        float RootScale, float Epsilon, float StepSize);

    /// <summary>The moments of a tensor.</summary>
    internal sealed class State(TrainableTensor tensor, double rateFactor)
    {
        public TrainableTensor Tensor { get; } = tensor;

        public double RateFactor { get; } = rateFactor;

        public float[] FirstMoment { get; } = new float[tensor.Count];

        public float[] SecondMoment { get; } = new float[tensor.Count];

        /// <summary>The number of steps that were not skipped because the tensor was frozen.</summary>
        public long StepCount { get; set; }
    }
}
