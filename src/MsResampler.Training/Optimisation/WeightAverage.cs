namespace MsResampler.Training;

/// <summary>The exponential moving average of weights, which often generalises better than the weights of the last
/// step.</summary>
/// <remarks>Update t = 1, 2, … computes average ← d·average + (1 − d)·weight with d = min(decay, (1 + t)/(10 + t)): the
/// first steps, whose weights are far from the last ones, count for little. Not thread-safe.</remarks>
public sealed class WeightAverage
{
    private readonly float[][] _averages;

    /// <summary>Starts with the present weights.</summary>
    /// <param name="tensors">The tensors.</param>
    /// <param name="decay">The decay; at least 0 and below 1. 0.999 averages about the last 1000 steps.</param>
    /// <exception cref="ArgumentException"><paramref name="decay"/> is out of range.</exception>
    public WeightAverage(IReadOnlyList<TrainableTensor> tensors, double decay)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        if (!(decay >= 0 && decay < 1))
            throw new ArgumentException($"decay: expected at least 0 and below 1, found {decay:R}", nameof(decay));
        Tensors = tensors;
        Decay = decay;
        _averages = [.. tensors.Select(tensor => tensor.Values.ToArray())];
    }

    /// <summary>The tensors.</summary>
    public IReadOnlyList<TrainableTensor> Tensors { get; }

    /// <summary>The decay.</summary>
    public double Decay { get; }

    /// <summary>The number of updates.</summary>
    public long UpdateCount { get; internal set; }

    /// <summary>The average of a tensor.</summary>
    /// <param name="index">The index in <see cref="Tensors"/>.</param>
    public ReadOnlySpan<float> this[int index] => _averages[index];

    /// <summary>Adds the present weights to the average.</summary>
    public void Update()
    {
        UpdateCount++;
        float decay = (float)Math.Min(Decay, (1.0 + UpdateCount) / (10.0 + UpdateCount));
        for (int index = 0; index < Tensors.Count; index++)
        {
            Span<float> average = _averages[index];
            Span<float> values = Tensors[index].Values;
            // A difference, so that an average of equal weights stays exactly equal.
            for (int element = 0; element < average.Length; element++)
                average[element] += (values[element] - average[element]) * (1 - decay);
        }
    }

    /// <summary>Exchanges weights and averages: a second call restores the weights. Between the calls the tensors hold
    /// the averages, for evaluation and for <see cref="TrainableModel.Save"/>.</summary>
    public void Swap()
    {
        for (int index = 0; index < Tensors.Count; index++)
        {
            float[] values = Tensors[index].Values.ToArray();
            _averages[index].CopyTo(Tensors[index].Values);
            values.CopyTo(_averages[index], 0);
        }
    }

    internal Span<float> AverageOf(int index) => _averages[index];
}
