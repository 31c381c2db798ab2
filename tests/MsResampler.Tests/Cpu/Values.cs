using MsResampler.Cpu;

namespace MsResampler.Tests.Cpu;

/// <summary>Test values for kernels.</summary>
internal static class Values
{
    /// <summary>The unit roundoff of single precision.</summary>
    public const double Roundoff = 1.0 / (1 << 24);

    /// <summary>Uniformly distributed in [−1, 1].</summary>
    public static float[] Array(int count, int seed)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2) - 1)];
    }

    /// <inheritdoc cref="Array"/>
    public static AlignedBuffer Random(int count, int seed) => AlignedBuffer.Copy(Array(count, seed));

    public static AlignedBuffer Filled(int count, float value)
    {
        AlignedBuffer buffer = new(count);
        buffer.Span.Fill(value);
        return buffer;
    }

    public static int[] Bits(ReadOnlySpan<float> values)
        => [.. System.Runtime.InteropServices.MemoryMarshal.Cast<float, int>(values)];
}
