using System.Buffers;

namespace MsResampler.Server.Batching;

/// <summary>An array of a pool, which disposal returns once.</summary>
internal sealed class PooledFloats : IDisposable
{
    private readonly ArrayPool<float> _pool;
    private readonly int _length;
    private float[]? _array;

    /// <summary>Rents an array.</summary>
    /// <param name="pool">The pool.</param>
    /// <param name="length">The number of values.</param>
    public PooledFloats(ArrayPool<float> pool, int length)
    {
        (_pool, _length) = (pool, length);
        _array = pool.Rent(length);
    }

    /// <summary>The values.</summary>
    /// <exception cref="ObjectDisposedException">The array was returned.</exception>
    public Memory<float> Memory
    {
        get
        {
            float[]? array = _array;
            ObjectDisposedException.ThrowIf(array is null, this);
            return array.AsMemory(0, _length);
        }
    }

    /// <summary>The values.</summary>
    /// <exception cref="ObjectDisposedException">The array was returned.</exception>
    public Span<float> Span => Memory.Span;

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _array, null) is { } array)
            _pool.Return(array);
    }
}
