namespace MsResampler.Training;

/// <summary>The items of every batch: each epoch is a random order of all items, and batches take the next items across
/// the ends of epochs. The order is a function of the seed and the epoch, so that a run can continue at any step. Not
/// thread-safe.</summary>
public sealed class BatchOrder
{
    private readonly int[] _order;
    private readonly ulong _seed;
    private long _epoch = -1;

    /// <summary>Describes the order.</summary>
    /// <param name="itemCount">The number of items; at least 1.</param>
    /// <param name="batchSize">The number of items of a batch; at least 1. It may exceed the number of items.</param>
    /// <param name="seed">The seed.</param>
    public BatchOrder(int itemCount, int batchSize, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(itemCount, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        _order = new int[itemCount];
        BatchSize = batchSize;
        _seed = seed;
    }

    /// <summary>The number of items of a batch.</summary>
    public int BatchSize { get; }

    /// <summary>The epoch of the first item of a step's batch, from 0.</summary>
    /// <param name="step">The step, from 1.</param>
    public long EpochOf(long step) => checked((step - 1) * BatchSize) / _order.Length;

    /// <summary>The items of a step's batch.</summary>
    /// <param name="step">The step, from 1.</param>
    /// <param name="items">Receives <see cref="BatchSize"/> items.</param>
    public void Fill(long step, Span<int> items)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(step, 1);
        ArgumentOutOfRangeException.ThrowIfNotEqual(items.Length, BatchSize);
        long position = checked((step - 1) * BatchSize);
        for (int index = 0; index < items.Length; index++, position++)
        {
            Enter(position / _order.Length);
            items[index] = _order[position % _order.Length];
        }
    }

    /// <summary>Shuffles the items for an epoch (Fisher and Yates).</summary>
    private void Enter(long epoch)
    {
        if (epoch == _epoch)
            return;
        _epoch = epoch;
        for (int index = 0; index < _order.Length; index++)
            _order[index] = index;
        // Mixed twice: a symmetric combination would give seed 1, epoch 0 the order of seed 2, epoch 1.
        ulong state = Mix(Mix(_seed) ^ (ulong)epoch);
        for (int last = _order.Length - 1; last > 0; last--)
        {
            // The top bits of a product instead of a remainder: the bias of an index is below 2^-32.
            int other = (int)Math.BigMul(Mix(state + (ulong)last), (ulong)last + 1, out _);
            (_order[last], _order[other]) = (_order[other], _order[last]);
        }
    }

    /// <summary>SplitMix64 (Steele, Lea and Flood, 2014).</summary>
    private static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }
}
