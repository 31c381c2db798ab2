namespace MsResampler.Training;

/// <summary>A loss over batches of items, such as images with their labels.</summary>
public interface IObjective
{
    /// <summary>The number of items; at least 1.</summary>
    int ItemCount { get; }

    /// <summary>Computes the loss of a batch and adds its gradient to <see cref="TrainableTensor.Gradient"/> of the
    /// tensors.</summary>
    /// <param name="items">The items of the batch, each from 0 to <see cref="ItemCount"/> − 1. An item may occur twice
    /// where an epoch ends within the batch.</param>
    /// <param name="cancellationToken">Cancels the call. Gradients are then undefined; weights are unchanged.</param>
    /// <returns>The loss, usually the mean over the items. It depends on weights and items only: a run that is resumed
    /// computes it again.</returns>
    /// <exception cref="ActivationOverflowException">A value left the range of float32. The loop ends the step with a
    /// <see cref="TrainingException"/>.</exception>
    double AddGradients(ReadOnlySpan<int> items, CancellationToken cancellationToken);
}
