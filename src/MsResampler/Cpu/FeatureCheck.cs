using MsResampler.Cpu.Simd;

namespace MsResampler.Cpu;

/// <summary>Finds the first value that is NaN or infinite.</summary>
internal sealed unsafe class FeatureCheck<TSimd, TVector> : IPhasedWork
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int ChunkCount = 1 << 16;

    private float* _values;
    private int _count;
    private int _first;

    public int PhaseCount => 1;

    public int TaskCount(int phase) => (int)(((long)_count + ChunkCount - 1) / ChunkCount);

    /// <summary>Index of the first value that is not finite, or −1. One call at a time.</summary>
    public int Find(float* values, int count, WorkerPool pool, CancellationToken cancellationToken)
    {
        _values = values;
        _count = count;
        _first = int.MaxValue;
        pool.Run(this, cancellationToken);
        _values = null;
        return _first == int.MaxValue ? -1 : _first;
    }

    public void Execute(int phase, int task, int worker)
    {
        int start = task * ChunkCount;
        int end = (int)Math.Min((long)start + ChunkCount, _count);
        float* values = _values;
        int vectorEnd = end - ((end - start) % TSimd.Width);
        // Zero times a finite value is zero; times anything else it is NaN, which stays in the sum.
        TVector sum = TSimd.Zero;
        float rest = 0;
        for (int index = start; index < vectorEnd; index += TSimd.Width)
            sum = TSimd.MultiplyAdd(TSimd.Load(values + index), TSimd.Zero, sum);
        for (int index = vectorEnd; index < end; index++)
            rest += values[index] * 0;
        if (TSimd.Sum(sum) + rest == 0)
            return;
        for (int index = start; index < end; index++)
        {
            if (float.IsFinite(values[index]))
                continue;
            for (int seen = _first; index < seen;)
                seen = Interlocked.CompareExchange(ref _first, index, seen) is var found && found == seen
                    ? index : found;
            return;
        }
    }
}
