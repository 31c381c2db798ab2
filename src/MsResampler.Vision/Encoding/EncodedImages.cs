using System.Buffers;

namespace MsResampler.Vision;

/// <summary>The patch features of images that were encoded together. They stay in the memory of the encoder if that has
/// them as rows of float32; otherwise they are converted once.</summary>
/// <remarks>The features are valid until disposal.</remarks>
public sealed class EncodedImages : IDisposable
{
    private readonly FeatureMap _map;
    private IDisposable? _owner;
    private FloatView _values;
    private float[]? _converted;

    internal EncodedImages(int count, FeatureMap map, IDisposable? owner, FloatView values, float[]? converted)
        => (Count, _map, _owner, _values, _converted) = (count, map, owner, values, converted);

    /// <summary>Reads the values of all images.</summary>
    internal delegate ReadOnlySpan<float> FloatView();

    /// <summary>The number of images.</summary>
    public int Count { get; }

    /// <summary>The patch grid of every image.</summary>
    public PatchGrid Grid => _map.Grid;

    /// <summary>C, the number of channels.</summary>
    public int ChannelCount => _map.ChannelCount;

    /// <summary>Whether the features of all images follow each other without gaps.</summary>
    internal bool AreContiguous => _map.PrefixTokenCount == 0;

    /// <summary>The features of one image, [H·W, C], row-major, float32.</summary>
    /// <param name="imageIndex">The image.</param>
    /// <exception cref="ArgumentOutOfRangeException">The image does not exist.</exception>
    /// <exception cref="ObjectDisposedException">This instance was disposed.</exception>
    public ReadOnlySpan<float> Features(int imageIndex)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(imageIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(imageIndex, Count);
        ObjectDisposedException.ThrowIf(_owner is null && _converted is null, this);
        int length = (int)Grid.PatchCount * ChannelCount;
        int first = checked(((imageIndex * _map.RowCount) + _map.PrefixTokenCount) * ChannelCount);
        return _values().Slice(first, length);
    }

    /// <summary>The features of all images, [B, H·W, C], if they have no gaps.</summary>
    internal ReadOnlySpan<float> All
    {
        get
        {
            ObjectDisposedException.ThrowIf(_owner is null && _converted is null, this);
            return _values()[..(Count * (int)Grid.PatchCount * ChannelCount)];
        }
    }

    /// <summary>Frees the features.</summary>
    public void Dispose()
    {
        Interlocked.Exchange(ref _owner, null)?.Dispose();
        if (Interlocked.Exchange(ref _converted, null) is { } converted)
            ArrayPool<float>.Shared.Return(converted);
        _values = static () => default;
    }
}
