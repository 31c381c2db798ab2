using System.Buffers;

namespace MsResampler.Server.Tests.Batching;

/// <summary>Features that count who reads them after the end of their request. They are then NaN.</summary>
internal sealed class TrackedFeatures(float[] values) : MemoryManager<float>
{
    private int _lateReadCount;
    private volatile bool _isClosed;

    /// <summary>The number of reads after <see cref="Close"/>.</summary>
    public int LateReadCount => Volatile.Read(ref _lateReadCount);

    /// <summary>Called before every read.</summary>
    public Action OnRead { get; set; } = () => { };

    /// <summary>Ends the permission to read.</summary>
    public void Close()
    {
        _isClosed = true;
        values.AsSpan().Fill(float.NaN);
    }

    public override Span<float> GetSpan()
    {
        if (_isClosed)
            Interlocked.Increment(ref _lateReadCount);
        OnRead();
        return values;
    }

    public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
    }
}
