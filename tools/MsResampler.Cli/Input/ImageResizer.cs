using System.Numerics.Tensors;
using SkiaSharp;

namespace MsResampler.Cli.Input;

/// <summary>Antialiased bicubic resizing (a = −½), first along columns, then along rows. The filter widens with the
/// reduction, as in the image processors of vision encoders, so that fine details do not alias. Values are clamped to
/// 0…255 and not rounded. Rows are added one after another, so that the source picture is never in memory as a
/// whole.</summary>
internal sealed class ImageResizer
{
    private const int Support = 2;

    private readonly SKSizeI _from;
    private readonly SKSizeI _to;
    private readonly Taps[] _columns;
    private readonly Taps[] _rows;
    private readonly float[] _line;
    private readonly float[] _resizedLine;
    private readonly float[] _result;
    private int _rowCount;
    private int _firstOpen;

    /// <param name="from">The size of the source picture.</param>
    /// <param name="to">The size of the result.</param>
    public ImageResizer(SKSizeI from, SKSizeI to)
    {
        _from = from;
        _to = to;
        _columns = Filter(from.Width, to.Width);
        _rows = Filter(from.Height, to.Height);
        _line = new float[3 * from.Width];
        _resizedLine = new float[3 * to.Width];
        _result = new float[checked(3 * to.Width * to.Height)];
    }

    /// <summary>Adds the next rows of the source picture, drawn over white.</summary>
    /// <param name="rgba">Premultiplied RGBA, four bytes per pixel, row-major.</param>
    public void Add(ReadOnlySpan<byte> rgba)
    {
        for (; !rgba.IsEmpty; rgba = rgba[(4 * _from.Width)..])
        {
            OverWhite(rgba[..(4 * _from.Width)], _line);
            ResizeRow(_line, _columns, _resizedLine);
            AddRow(_rowCount++);
        }
    }

    /// <summary>Returns the result after all rows have been added.</summary>
    public RgbImage Finish()
    {
        if (_rowCount != _from.Height)
            throw new InvalidOperationException($"expected {_from.Height} rows, found {_rowCount}");
        TensorPrimitives.Clamp(_result, 0f, 255f, _result);
        return new RgbImage(_to.Width, _to.Height, _result);
    }

    private void AddRow(int row)
    {
        // The starts and ends of the filters never decrease from one output row to the next.
        while (_firstOpen < _to.Height && _rows[_firstOpen].End <= row)
            _firstOpen++;
        for (int y = _firstOpen; y < _to.Height && _rows[y].Start <= row; y++)
        {
            Span<float> output = _result.AsSpan(y * 3 * _to.Width, 3 * _to.Width);
            TensorPrimitives.MultiplyAdd(_resizedLine, _rows[y].Weights[row - _rows[y].Start], output, output);
        }
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

    /// <summary>The source pixels of an output pixel, from <paramref name="Start"/> on, and their weights.</summary>
    private readonly record struct Taps(int Start, float[] Weights)
    {
        public int End => Start + Weights.Length;
    }
}
