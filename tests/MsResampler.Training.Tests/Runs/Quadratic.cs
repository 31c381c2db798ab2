namespace MsResampler.Training.Tests.Runs;

/// <summary>A toy objective: the mean over the items of |w − target|²/2, with random targets. Its minimum is the mean
/// of the targets.</summary>
internal sealed class Quadratic : IObjective
{
    private const int Width = 19;

    private readonly float[][] _targets;

    public Quadratic(int itemCount = 12)
    {
        Random random = new(3);
        _targets = [.. Enumerable.Range(0, itemCount).Select(_ => Enumerable.Range(0, 2 * Width)
            .Select(_ => (float)random.NextDouble()).ToArray())];
        Tensors = [new TrainableTensor("a.weight", [Width, 1], new float[Width]),
            new TrainableTensor("b.bias", [Width], new float[Width])];
    }

    public TrainableTensor[] Tensors { get; }

    public int ItemCount => _targets.Length;

    /// <summary>Called before each batch.</summary>
    public Action<int>? OnBatch { get; set; }

    public int BatchCount { get; private set; }

    public double AddGradients(ReadOnlySpan<int> items, CancellationToken cancellationToken)
    {
        BatchCount++;
        OnBatch?.Invoke(BatchCount);
        cancellationToken.ThrowIfCancellationRequested();
        double loss = 0;
        foreach (int item in items)
        {
            for (int index = 0; index < 2 * Width; index++)
            {
                TrainableTensor tensor = Tensors[index / Width];
                float difference = tensor.Values[index % Width] - _targets[item][index];
                loss += difference * difference / 2.0 / items.Length;
                tensor.Gradient[index % Width] += difference / items.Length;
            }
        }

        return loss;
    }

    public float[] Weights() => [.. Tensors.SelectMany(tensor => tensor.Values.ToArray())];

    /// <summary>The largest distance of a weight from the minimum.</summary>
    public double DistanceFromMinimum() => Weights().Select((weight, index)
        => Math.Abs(weight - _targets.Average(target => target[index]))).Max();
}
