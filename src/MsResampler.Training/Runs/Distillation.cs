using MsResampler.Model;

namespace MsResampler.Training;

/// <summary>Fits the tokens of a model, the student, to those of a teacher.</summary>
/// <remarks><para>The loss of a batch of tokens y and tokens t of the teacher is<br/>
/// loss = mean((y − t)²) / v, v = mean((t − t̄)²)</para>
/// <para>where the first mean is over all images, tokens and channels of the batch, the second over those of all data,
/// and t̄ is the mean of a channel over all images and tokens of the data. A loss of 1 is that of the best constant
/// token; a loss of 0.1 explains 90% of the teacher's variance. Not thread-safe.</para></remarks>
public sealed class Distillation : IObjective
{
    /// <summary>The largest √v. Gradients are of the order 1/√v, and AdamW divides them by their own size plus its ε,
    /// by default 1e-8: beside that, smaller ones vanish, and weights stay.</summary>
    private const double MaxScale = 1e8;

    /// <summary>The least √v. The tokens of a student start near 1, and gradients near 1/v. The optimiser squares them,
    /// to 1e32: that leaves a factor of 1e3 for each until the largest float.</summary>
    private const double MinScale = 1e-8;

    private readonly ResamplerTrainer _trainer;
    private readonly IDistillationData _data;
    private readonly ResamplerConfig _config;
    private readonly double _variance;
    private float[] _features = [];
    private float[] _tokens = [];
    private float[] _targets = [];

    /// <summary>Reads the tokens of the teacher once, for their variance.</summary>
    /// <param name="trainer">The student; the caller disposes it.</param>
    /// <param name="data">The data.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ArgumentException">There are no items, channels or tokens are not those of the student, a token
    /// of the teacher is NaN or infinite, all tokens are equal, or √v is outside 1e-8 to 1e8: the gradients would
    /// leave the range in which an optimiser in single precision works.</exception>
    public Distillation(ResamplerTrainer trainer, IDistillationData data, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        ArgumentNullException.ThrowIfNull(data);
        (_trainer, _data, _config) = (trainer, data, trainer.Model.Config);
        if (data.ItemCount < 1)
            throw new ArgumentException("expected at least one item, found none", nameof(data));
        (data as DistillationSet)?.Require(_config.VisionHiddenSize, _config.QueryGrid.QueryCount, _config.OutputSize);
        _variance = VarianceOf(data, TokenCount, _config.OutputSize, cancellationToken);
    }

    /// <inheritdoc/>
    public int ItemCount => _data.ItemCount;

    /// <summary>v, the variance of the teacher's tokens.</summary>
    public double TeacherVariance => _variance;

    private int TokenCount => _config.QueryGrid.QueryCount * _config.OutputSize;

    /// <inheritdoc/>
    /// <exception cref="ActivationOverflowException">A value left the range of float32. The exception names the
    /// item.</exception>
    /// <exception cref="InvalidFeaturesException">A feature is NaN or infinite.</exception>
    public double AddGradients(ReadOnlySpan<int> items, CancellationToken cancellationToken)
    {
        double loss = Forward(items, cancellationToken);
        // ∂loss/∂y = 2·(y − t) / (v · number of values); the tokens hold y − t.
        float scale = (float)(2 / (_variance * _tokens.Length));
        System.Numerics.Tensors.TensorPrimitives.Multiply(_tokens, scale, _tokens);
        _trainer.Backward(_tokens, default, cancellationToken);
        return loss;
    }

    /// <summary>The loss of items, without gradients.</summary>
    /// <param name="items">The items.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <inheritdoc cref="AddGradients" path="/exception"/>
    public double LossOf(ReadOnlySpan<int> items, CancellationToken cancellationToken = default)
        => Forward(items, cancellationToken);

    private double Forward(ReadOnlySpan<int> items, CancellationToken cancellationToken)
    {
        List<PatchGrid> grids = [];
        List<int> ids = [];
        int[] frameCounts = new int[items.Length];
        int[] ends = new int[items.Length];
        long featureCount = 0;
        for (int index = 0; index < items.Length; index++)
        {
            if ((uint)items[index] >= (uint)ItemCount)
                throw new ArgumentOutOfRangeException(nameof(items), $"expected items from 0 to {ItemCount - 1}, " +
                    $"found {items[index]}");
            ReadOnlySpan<PatchGrid> frames = _data.GridsOf(items[index]);
            grids.AddRange(frames);
            ids.AddRange(_data.TemporalIdsOf(items[index]));
            frameCounts[index] = frames.Length;
            foreach (PatchGrid grid in frames)
                featureCount += (long)grid.Rows * grid.Columns * _config.VisionHiddenSize;
            ends[index] = checked((int)featureCount);
        }

        Resize(ref _features, (int)featureCount);
        Resize(ref _tokens, checked(items.Length * TokenCount));
        Resize(ref _targets, _tokens.Length);
        for (int index = 0; index < items.Length; index++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int start = index == 0 ? 0 : ends[index - 1];
            _data.ReadFeatures(items[index], _features.AsSpan(start, ends[index] - start));
            _data.ReadTokens(items[index], _targets.AsSpan(index * TokenCount, TokenCount));
        }

        // Messages call items of one frame images.
        FrameGroups groups = frameCounts.All(count => count == 1) && ids.All(id => id == -1)
            ? new FrameGroups(grids.ToArray()) : new FrameGroups(grids.ToArray(), ids.ToArray(), frameCounts);
        try
        {
            _trainer.Forward(_features, groups, _tokens, cancellationToken);
        }
        catch (ActivationOverflowException exception)
        {
            int group = exception.ImageIndex;
            throw ActivationOverflowException.For(groups, group, Precision.Float32, items[group]);
        }

        System.Numerics.Tensors.TensorPrimitives.Subtract(_tokens, _targets, _tokens);
        double sum = 0;
        for (int index = 0; index < items.Length; index++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            foreach (float difference in _tokens.AsSpan(index * TokenCount, TokenCount))
                sum += (double)difference * difference;
        }

        return sum / (_variance * _tokens.Length);
    }

    private static void Resize(ref float[] buffer, int count)
    {
        if (buffer.Length != count)
            buffer = GC.AllocateUninitializedArray<float>(count);
    }

    private static double VarianceOf(IDistillationData data, int tokenCount, int channelCount,
        CancellationToken cancellationToken)
    {
        float[] tokens = new float[tokenCount];
        // Differences from the first item: the sums of squares then lose no digits if the mean is far from 0.
        float[] origin = new float[channelCount];
        double[] sums = new double[channelCount];
        double[] squares = new double[channelCount];
        for (int item = 0; item < data.ItemCount; item++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            data.ReadTokens(item, tokens);
            if (item == 0)
                tokens.AsSpan(0, channelCount).CopyTo(origin);
            for (int index = 0; index < tokenCount; index++)
            {
                if (!float.IsFinite(tokens[index]))
                    throw new ArgumentException($"the teacher's tokens of item {item}: expected finite values, found " +
                        $"{tokens[index]} in token {index / channelCount}, channel {index % channelCount}",
                        nameof(data));
                double difference = (double)tokens[index] - origin[index % channelCount];
                sums[index % channelCount] += difference;
                squares[index % channelCount] += difference * difference;
            }
        }

        double count = (double)data.ItemCount * (tokenCount / channelCount);
        double variance = 0;
        for (int channel = 0; channel < channelCount; channel++)
            variance += (squares[channel] / count) - (sums[channel] / count * (sums[channel] / count));
        variance /= channelCount;
        if (!(variance > 0))
            throw new ArgumentException("the teacher's tokens: expected tokens that differ between images or " +
                "queries, found equal ones", nameof(data));
        double scale = Math.Sqrt(variance);
        return scale is >= MinScale and <= MaxScale ? variance : throw new ArgumentException(
            FormattableString.Invariant($"the teacher's tokens: expected a standard deviation from {MinScale:0e0} ") +
            FormattableString.Invariant($"to {MaxScale:0e0}, found {scale:0.0e0}; multiply the tokens by a constant") +
            ", and after the training divide proj of the student by it", nameof(data));
    }
}
