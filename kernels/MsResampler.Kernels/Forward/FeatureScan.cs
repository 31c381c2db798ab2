using System.Numerics.Tensors;

namespace MsResampler.Kernels.Forward;

/// <summary>Finds the first feature that is NaN or infinite, on the processor: features are there, and nothing may be
/// computed with a bad one.</summary>
internal static class FeatureScan
{
    private const int ChunkCount = 1 << 18;

    /// <summary>Throws if a feature is not finite.</summary>
    /// <exception cref="InvalidFeaturesException">One is not.</exception>
    public static unsafe void Check(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids, int channelCount)
    {
        int first = int.MaxValue;
        fixed (float* pointer = features)
        {
            nint start = (nint)pointer;
            int count = features.Length;
            Parallel.For(0, (int)(((long)count + ChunkCount - 1) / ChunkCount), (chunk, state) =>
            {
                int offset = chunk * ChunkCount;
                ReadOnlySpan<float> values = new((float*)start + offset, Math.Min(ChunkCount, count - offset));
                // NaN and infinities are the largest of all in magnitude.
                if (float.IsFinite(TensorPrimitives.MaxMagnitude(values)))
                    return;
                state.Break();
                int index = offset + IndexOfNonFinite(values);
                for (int seen = first; index < seen;)
                {
                    seen = Interlocked.CompareExchange(ref first, index, seen) is var found && found == seen
                        ? index : found;
                }
            });
        }

        if (first != int.MaxValue)
            throw InvalidFeaturesException.At(features, first, grids, channelCount);
    }

    private static int IndexOfNonFinite(ReadOnlySpan<float> values)
    {
        int index = 0;
        while (float.IsFinite(values[index]))
            index++;
        return index;
    }
}
