using System.Numerics.Tensors;
using MsResampler.Cpu;

namespace MsResampler.Scenes;

/// <summary>The activation <c>silu(a) = a·sigmoid(a)</c>, which is smooth.</summary>
internal static class Silu
{
    private const int BlockCount = 512;

    public static void Forward(AlignedBuffer sums, AlignedBuffer activations, int count)
    {
        ReadOnlySpan<float> source = sums.Span[..count];
        Span<float> target = activations.Span[..count];
        TensorPrimitives.Sigmoid(source, target);
        TensorPrimitives.Multiply(target, source, target);
    }

    /// <summary>Multiplies gradients by <c>silu'(a) = s + a·s·(1 − s)</c> with <c>s = sigmoid(a)</c>.</summary>
    public static void Backward(AlignedBuffer sums, AlignedBuffer gradients, int count)
    {
        Span<float> slopes = stackalloc float[BlockCount];
        Span<float> rest = stackalloc float[BlockCount];
        for (int first = 0; first < count; first += BlockCount)
        {
            int length = Math.Min(BlockCount, count - first);
            Span<float> s = slopes[..length];
            Span<float> r = rest[..length];
            ReadOnlySpan<float> a = sums.Span.Slice(first, length);
            Span<float> gradient = gradients.Span.Slice(first, length);
            TensorPrimitives.Sigmoid(a, s);
            TensorPrimitives.Subtract(1, s, r);
            TensorPrimitives.Multiply(r, a, r);
            TensorPrimitives.Add(r, 1, r);
            TensorPrimitives.Multiply(r, s, r);
            TensorPrimitives.Multiply(gradient, r, gradient);
        }
    }
}
