namespace MsResampler.Vision;

/// <summary>The weights of one axis: which stored pixels, with which weights, make each pixel of the result. Weights
/// are fixed-point numbers with <see cref="FractionBits"/> bits, as in Pillow.</summary>
internal sealed class AxisFilter
{
    /// <summary>8 bits of a pixel and 2 bits for sums above 1 and signs remain of 32.</summary>
    public const int FractionBits = 22;

    private readonly int[] _starts;
    private readonly int[] _counts;
    private readonly int[] _weights;
    private readonly int _stride;

    private AxisFilter(int storedLength, int length, int stride)
    {
        StoredLength = storedLength;
        _stride = stride;
        _starts = new int[length];
        _counts = new int[length];
        _weights = new int[checked(length * stride)];
    }

    /// <summary>The number of stored pixels.</summary>
    public int StoredLength { get; }

    /// <summary>The number of pixels of the result.</summary>
    public int Length => _starts.Length;

    /// <summary>The largest number of weights of a pixel.</summary>
    public int MaxCount { get; private set; }

    /// <summary>Whether each pixel of the result is the stored pixel of the same index.</summary>
    public bool IsIdentity { get; private set; }

    /// <summary>The pixels of the result that have weights, in the order of their stored pixels.</summary>
    public IReadOnlyList<int> Order { get; private set; } = [];

    /// <summary>The first stored pixel of a pixel of the result.</summary>
    public int StartOf(int index) => _starts[index];

    /// <summary>The end of the stored pixels of a pixel of the result.</summary>
    public int EndOf(int index) => _starts[index] + _counts[index];

    /// <summary>The weights of the stored pixels; empty where the crop exceeds the image.</summary>
    public ReadOnlySpan<int> WeightsOf(int index) => _weights.AsSpan(index * _stride, _counts[index]);

    /// <summary>The weights of an axis.</summary>
    /// <param name="from">The number of pixels before resizing.</param>
    /// <param name="to">The number of pixels after resizing.</param>
    /// <param name="length">The number of pixels after the crop.</param>
    /// <param name="resampling">The filter.</param>
    /// <param name="isMirrored">Whether pixels are stored in the opposite order.</param>
    public static AxisFilter Create(int from, int to, int length, Resampling resampling, bool isMirrored)
    {
        // The half is rounded down, also for negative differences, as in transformers.
        int first = (to - length) >> 1;
        bool isSelection = from == to || resampling == Resampling.Nearest;
        double scale = (double)from / to;
        double widening = Math.Max(scale, 1);
        double support = isSelection ? 0 : ResamplingFilter.SupportOf(resampling) * widening;
        AxisFilter filter = new(from, length, isSelection ? 1 : Math.Min(((int)Math.Ceiling(support) * 2) + 1, from));
        if (isSelection)
            filter.Select(first, to, from == to ? 1 : scale);
        else
            filter.Weigh(first, to, scale, widening, support, resampling);
        filter.Finish(isMirrored);
        return filter;
    }

    private void Select(int first, int to, double scale)
    {
        // Pillow adds up the step, whose rounding errors differ from those of a product.
        double position = scale * 0.5;
        for (int index = 0; index < Math.Min(first + Length, to); index++, position += scale)
        {
            if (index < first)
                continue;
            _starts[index - first] = Math.Min((int)position, StoredLength - 1);
            _counts[index - first] = 1;
            _weights[index - first] = 1 << FractionBits;
        }
    }

    private void Weigh(int first, int to, double scale, double widening, double support, Resampling resampling)
    {
        double[] values = new double[_stride];
        double narrowing = 1 / widening;
        for (int index = Math.Max(first, 0); index < Math.Min(first + Length, to); index++)
        {
            double center = (index + 0.5) * scale;
            int start = Math.Max((int)(center - support + 0.5), 0);
            int count = Math.Min((int)(center + support + 0.5), StoredLength) - start;
            double sum = 0;
            for (int tap = 0; tap < count; tap++)
            {
                values[tap] = ResamplingFilter.ValueAt(resampling, (tap + start - center + 0.5) * narrowing);
                sum += values[tap];
            }

            Span<int> weights = _weights.AsSpan((index - first) * _stride, count);
            for (int tap = 0; tap < count; tap++)
            {
                double weight = (sum == 0 ? values[tap] : values[tap] / sum) * (1 << FractionBits);
                weights[tap] = (int)(weight < 0 ? weight - 0.5 : weight + 0.5);
            }

            (_starts[index - first], _counts[index - first]) = (start, count);
        }
    }

    private void Finish(bool isMirrored)
    {
        List<int> order = [];
        bool isIdentity = Length == StoredLength;
        for (int index = 0; index < Length; index++)
        {
            int count = _counts[index];
            MaxCount = Math.Max(MaxCount, count);
            if (count > 0)
                order.Add(index);
            if (isMirrored)
            {
                _starts[index] = StoredLength - _starts[index] - count;
                _weights.AsSpan(index * _stride, count).Reverse();
            }

            isIdentity &= count == 1 && _starts[index] == index && _stride == 1;
        }

        if (isMirrored)
            order.Reverse();
        (Order, IsIdentity) = (order, isIdentity);
    }
}
