using System.Runtime.InteropServices;

namespace MsResampler.Vision;

/// <summary>Turns an image upright, resizes and crops it. The result equals, bit for bit, that of Pillow on the upright
/// image: first along upright rows, then along upright columns, with 8 bits after each pass, and a pass is left out
/// where the length stays. Stored rows are added one after another, and only those in reach of the filter are kept, so
/// that a large photo is never in memory as a whole.</summary>
internal sealed unsafe class ImageResizer : IDisposable
{
    private const int BytesPerPixel = 4;

    private readonly ImageSize _stored;
    private readonly bool _isTransposed;
    private readonly AxisFilter _across;
    private readonly LineFilter _alongLines;
    private readonly LineFilter _acrossLines;
    private readonly ImageSize _size;
    private readonly int _alongLength;
    private readonly int _lineBytes;
    private readonly int _ringLines;
    private readonly nint[] _window;
    private byte* _ring;
    private byte[] _result = [];
    private int _rowCount;
    private int _next;

    /// <param name="stored">The size of the stored image.</param>
    /// <param name="orientation">How the image becomes upright.</param>
    /// <param name="resized">The size of the upright image before the crop.</param>
    /// <param name="size">The size after the crop.</param>
    /// <param name="resampling">The filter.</param>
    /// <param name="isWide">Whether to use vectors of 256 bits, if the processor has them.</param>
    public ImageResizer(ImageSize stored, Orientation orientation, ImageSize resized, ImageSize size,
        Resampling resampling, bool isWide = true)
    {
        _stored = stored;
        _size = size;
        _isTransposed = orientation.IsTransposed;
        ImageSize upright = orientation.Upright(stored);
        AxisFilter rows = AxisFilter.Create(upright.Height, resized.Height, size.Height, resampling,
            orientation.MirrorsRows);
        AxisFilter columns = AxisFilter.Create(upright.Width, resized.Width, size.Width, resampling,
            orientation.MirrorsColumns);
        AxisFilter along = _isTransposed ? rows : columns;
        _across = _isTransposed ? columns : rows;
        _alongLines = new LineFilter(along, isAlong: true, isWide);
        _acrossLines = new LineFilter(_across, isAlong: false, isWide);
        _alongLength = along.Length;
        int pixels = _isTransposed ? stored.Width : along.Length;
        _lineBytes = checked((int)(((long)BytesPerPixel * pixels + LineFilter.LineAlignment - 1)
            / LineFilter.LineAlignment * LineFilter.LineAlignment));
        _ringLines = _across.MaxCount + LineFilter.BlockLines;
        _window = new nint[_across.MaxCount];
    }

    /// <summary>The memory that <see cref="Start"/> allocates.</summary>
    public long WorkingBytes => ((_ringLines + 1L) * _lineBytes) + AlongBytes
        + (3L * _size.Height * _size.Width);

    private long AlongBytes => _isTransposed ? (long)BytesPerPixel * _alongLength : 0;

    /// <summary>Allocates the memory.</summary>
    public void Start()
    {
        _result = new byte[checked(3 * _size.Height * _size.Width)];
        // The bytes after the last pixel of a line are computed, but not used.
        _ring = (byte*)NativeMemory.AllocZeroed((nuint)(((_ringLines + 1L) * _lineBytes) + AlongBytes));
    }

    /// <summary>Adds the next rows of the stored image.</summary>
    /// <param name="rgba">Four bytes per pixel, row-major; the fourth is not used.</param>
    public void Add(ReadOnlySpan<byte> rgba)
    {
        int rowBytes = BytesPerPixel * _stored.Width;
        Span<nint> lines = stackalloc nint[LineFilter.BlockLines];
        Span<nint> slots = stackalloc nint[LineFilter.BlockLines];
        fixed (byte* rows = rgba)
        {
            int count = rgba.Length / rowBytes;
            for (int row = 0; row < count; row += LineFilter.BlockLines)
            {
                int block = Math.Min(LineFilter.BlockLines, count - row);
                for (int line = 0; line < block; line++)
                {
                    lines[line] = (nint)(rows + ((long)(row + line) * rowBytes));
                    slots[line] = (nint)Slot(_rowCount + line);
                }

                if (_next < _across.Order.Count && _rowCount + block > _across.StartOf(_across.Order[_next]))
                    Keep(lines[..block], slots[..block], rowBytes);
                _rowCount += block;
                Emit();
            }
        }
    }

    /// <summary>Returns the result after all rows have been added.</summary>
    public RgbImage Finish() => _rowCount == _stored.Height
        ? new RgbImage(_size, _result)
        : throw new InvalidOperationException($"expected {_stored.Height} rows, found {_rowCount}");

    public void Dispose()
    {
        NativeMemory.Free(_ring);
        _ring = null;
    }

    private byte* Slot(int row) => _ring + ((long)(row % _ringLines) * _lineBytes);

    private void Keep(ReadOnlySpan<nint> lines, ReadOnlySpan<nint> slots, int rowBytes)
    {
        if (!_isTransposed)
        {
            _alongLines.Along(lines, slots);
            return;
        }

        for (int line = 0; line < lines.Length; line++)
            Buffer.MemoryCopy((void*)lines[line], (void*)slots[line], rowBytes, rowBytes);
    }

    /// <summary>Computes the lines of the result whose stored rows are complete.</summary>
    private void Emit()
    {
        byte* line = _ring + ((long)_ringLines * _lineBytes);
        byte* shorter = line + _lineBytes;
        for (; _next < _across.Order.Count && _across.EndOf(_across.Order[_next]) <= _rowCount; _next++)
        {
            int index = _across.Order[_next];
            int start = _across.StartOf(index);
            int count = _across.EndOf(index) - start;
            for (int tap = 0; tap < count; tap++)
                _window[tap] = (nint)Slot(start + tap);
            _acrossLines.Across(index, _window.AsSpan(0, count), line, _lineBytes);
            if (_isTransposed)
                _alongLines.Along([(nint)line], [(nint)shorter]);
            Write(index, _isTransposed ? shorter : line);
        }
    }

    /// <summary>Writes a line as a row of the result, or as a column if the image is transposed.</summary>
    private void Write(int index, byte* line)
    {
        int target = 3 * index * (_isTransposed ? 1 : _size.Width);
        int stride = 3 * (_isTransposed ? _size.Width : 1);
        for (int pixel = 0; pixel < _alongLength; pixel++, target += stride, line += BytesPerPixel)
        {
            _result[target] = line[0];
            _result[target + 1] = line[1];
            _result[target + 2] = line[2];
        }
    }
}
