using System.Numerics.Tensors;
using SkiaSharp;

namespace MsResampler.Cli.Input;

/// <summary>Antialiased bicubic resizing (a = −½), columns first: the filter widens with the reduction, as
/// image processors of vision encoders do, so that fine detail does not alias into the patches. Values are
/// clamped to 0…255 and not rounded.</summary>
internal static class ImageResizer
{
    private const int Support = 2;

    /// <summary>Resizes premultiplied RGBA bytes, laid over white.</summary>
    /// <param name="rgba">Four bytes a pixel, row-major.</param>
    /// <param name="from">The size of <paramref name="rgba"/>.</param>
    /// <param name="to">The size wanted.</param>
    public static RgbImage Resize(ReadOnlySpan<byte> rgba, SKSizeI from, SKSizeI to)
    {
        Taps[] columns = Filter(from.Width, to.Width);
        Taps[] rows = Filter(from.Height, to.Height);
        float[] line = new float[3 * from.Width];
        int outputStride = 3 * to.Width;

        // A stored row is needed from the first output row that reads it to the last: keep a ring of them.
        int ringCount = rows.Max(taps => taps.Weights.Length);
        float[] ring = new float[ringCount * outputStride];
        float[] result = new float[to.Height * outputStride];
        int readyCount = 0;
        for (int y = 0; y < to.Height; y++)
        {
            Taps taps = rows[y];
            for (; readyCount < taps.Start + taps.Weights.Length; readyCount++)
            {
                OverWhite(rgba.Slice(4 * from.Width * readyCount, 4 * from.Width), line);
                ResizeRow(line, columns, ring.AsSpan(readyCount % ringCount * outputStride, outputStride));
            }

            Span<float> output = result.AsSpan(y * outputStride, outputStride);
            for (int tap = 0; tap < taps.Weights.Length; tap++)
            {
                ReadOnlySpan<float> row = ring.AsSpan((taps.Start + tap) % ringCount * outputStride,
                    outputStride);
                TensorPrimitives.MultiplyAdd(row, taps.Weights[tap], output, output);
            }

            TensorPrimitives.Clamp(output, 0f, 255f, output);
        }

        return new RgbImage(to.Width, to.Height, result);
    }

    private static void OverWhite(ReadOnlySpan<byte> rgba, Span<float> rgb)
    {
        for (int from = 0, to = 0; from < rgba.Length; from += 4, to += 3)
        {
            int white = byte.MaxValue - rgba[from + 3];
            rgb[to] = rgba[from] + white;
            rgb[to + 1] = rgba[from + 1] + white;
            rgb[to + 2] = rgba[from + 2] + white;
        }
    }

    private static void ResizeRow(ReadOnlySpan<float> line, Taps[] columns, Span<float> output)
    {
        for (int x = 0; x < columns.Length; x++)
        {
            (int start, float[] weights) = columns[x];
            ReadOnlySpan<float> pixels = line.Slice(3 * start, 3 * weights.Length);
            float red = 0, green = 0, blue = 0;
            for (int tap = 0; tap < weights.Length; tap++)
            {
                red += weights[tap] * pixels[3 * tap];
                green += weights[tap] * pixels[(3 * tap) + 1];
                blue += weights[tap] * pixels[(3 * tap) + 2];
            }

            output[3 * x] = red;
            output[(3 * x) + 1] = green;
            output[(3 * x) + 2] = blue;
        }
    }

    private static Taps[] Filter(int from, int to)
    {
        double scale = (double)from / to;
        double widening = Math.Max(scale, 1);
        Taps[] filter = new Taps[to];
        for (int index = 0; index < to; index++)
        {
            double center = (index + 0.5) * scale;
            int start = Math.Max((int)(center - (Support * widening) + 0.5), 0);
            int end = Math.Min((int)(center + (Support * widening) + 0.5), from);
            double[] weights = [.. Enumerable.Range(start, end - start)
                .Select(pixel => Cubic((pixel + 0.5 - center) / widening))];
            double sum = weights.Sum();
            filter[index] = new Taps(start, [.. weights.Select(weight => (float)(weight / sum))]);
        }

        return filter;
    }

    private static double Cubic(double x)
    {
        x = Math.Abs(x);
        return x < 1 ? (((1.5 * x) - 2.5) * x * x) + 1
            : x < 2 ? (((((-0.5 * x) + 2.5) * x) - 4) * x) + 2
            : 0;
    }

    /// <summary>What one output pixel reads: input pixels from <paramref name="Start"/>, weighted.</summary>
    private readonly record struct Taps(int Start, float[] Weights);
}
