using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace MsResampler.Training;

/// <summary>The norm of the gradients of many tensors as one vector, and its limit.</summary>
public static class GradientNorm
{
    /// <summary>The Euclidean norm of the gradients of all tensors that are not frozen. Squares are summed in double
    /// precision in a fixed order: the bits are the same on every machine.</summary>
    /// <param name="tensors">The tensors.</param>
    /// <returns>The norm; NaN or infinite exactly if a gradient is.</returns>
    public static double Measure(IReadOnlyList<TrainableTensor> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        double sum = 0;
        foreach (TrainableTensor tensor in tensors)
        {
            if (!tensor.IsFrozen)
                sum += SumOfSquares(tensor.Gradient);
        }

        return Math.Sqrt(sum);
    }

    /// <summary>Scales the gradients of all tensors that are not frozen so that their norm is at most
    /// <paramref name="limit"/>.</summary>
    /// <param name="tensors">The tensors.</param>
    /// <param name="limit">The largest norm; above 0, infinite for no limit.</param>
    /// <param name="step">The step, from 1, for the message of the exception.</param>
    /// <returns>The norm before.</returns>
    /// <exception cref="TrainingException">A gradient is NaN or infinite.</exception>
    public static double Clip(IReadOnlyList<TrainableTensor> tensors, double limit, long step)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        if (!(limit > 0))
            throw new ArgumentException($"limit: expected a number above 0, found {limit:R}", nameof(limit));
        double norm = Measure(tensors);
        if (!double.IsFinite(norm))
        {
            TrainableTensor tensor = tensors.First(tensor
                => !tensor.IsFrozen && !double.IsFinite(SumOfSquares(tensor.Gradient)));
            throw new TrainingException(step, tensor.Name, "the gradient is NaN or infinite; lower the learning " +
                "rate, or check the data");
        }

        if (norm > limit)
        {
            float scale = (float)(limit / norm);
            foreach (TrainableTensor tensor in tensors)
            {
                if (!tensor.IsFrozen)
                    System.Numerics.Tensors.TensorPrimitives.Multiply(tensor.Gradient, scale, tensor.Gradient);
            }
        }

        return norm;
    }

    private static double SumOfSquares(ReadOnlySpan<float> values)
    {
        Vector512<double> even = Vector512<double>.Zero;
        Vector512<double> odd = Vector512<double>.Zero;
        ReadOnlySpan<Vector512<float>> vectors = MemoryMarshal.Cast<float, Vector512<float>>(values);
        foreach (Vector512<float> vector in vectors)
        {
            (Vector512<double> lower, Vector512<double> upper) = Vector512.Widen(vector);
            even += lower * lower;
            odd += upper * upper;
        }

        even += odd;
        double sum = 0;
        for (int lane = 0; lane < Vector512<double>.Count; lane++)
            sum += even[lane];
        foreach (float value in values[(vectors.Length * Vector512<float>.Count)..])
            sum += (double)value * value;
        return sum;
    }
}
