using MsResampler.Cpu;

namespace MsResampler.Training.Tests.Attention;

/// <summary>Rows with NaN between and after them, which spoil any result that depends on them.</summary>
internal sealed unsafe class PaddedRows
{
    private const int TailCount = 128;

    private readonly AlignedBuffer _memory;
    private readonly int _rowCount;
    private readonly int _width;

    public PaddedRows(ReadOnlySpan<float> values, int width, int stride)
    {
        _width = width;
        Stride = stride;
        _rowCount = values.Length / width;
        _memory = new AlignedBuffer((_rowCount * stride) + TailCount);
        _memory.Span.Fill(float.NaN);
        for (int row = 0; row < _rowCount; row++)
            values.Slice(row * width, width).CopyTo(_memory.Span[(row * stride)..]);
    }

    public int Stride { get; }

    public nint Pointer => (nint)_memory.Pointer;

    /// <summary>The rows without the padding. Fails if the padding was written to.</summary>
    public float[] Read(string name)
    {
        float[] values = new float[_rowCount * _width];
        for (int row = 0; row < _rowCount; row++)
            _memory.Span.Slice(row * Stride, _width).CopyTo(values.AsSpan(row * _width));
        int known = _memory.Span.ToArray().Where((value, index) => !float.IsNaN(value)
            && (index >= _rowCount * Stride || index % Stride >= _width)).Count();
        Assert.That(known, Is.Zero, $"{name}: floats that were written between rows");
        return values;
    }
}
