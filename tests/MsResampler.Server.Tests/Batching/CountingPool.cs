using System.Buffers;

namespace MsResampler.Server.Tests.Batching;

/// <summary>A pool that knows which arrays are out, fills returned arrays with NaN so that a later reader is noticed,
/// and reports arrays that are returned twice.</summary>
internal sealed class CountingPool : ArrayPool<float>
{
    private readonly HashSet<float[]> _rented = [];
    private int _foreignCount;
    private int _rentCount;

    /// <summary>The number of arrays that were rented so far.</summary>
    public int RentCount => Volatile.Read(ref _rentCount);

    /// <summary>The number of arrays that are out.</summary>
    public int RentedCount
    {
        get
        {
            lock (_rented)
                return _rented.Count;
        }
    }

    /// <summary>The number of arrays that were returned but not out.</summary>
    public int ForeignCount => Volatile.Read(ref _foreignCount);

    public override float[] Rent(int minimumLength)
    {
        Interlocked.Increment(ref _rentCount);
        float[] array = new float[minimumLength];
        array.AsSpan().Fill(float.NaN);
        lock (_rented)
            _rented.Add(array);
        return array;
    }

    public override void Return(float[] array, bool clearArray = false)
    {
        array.AsSpan().Fill(float.NaN);
        lock (_rented)
        {
            if (!_rented.Remove(array))
                _foreignCount++;
        }
    }
}
