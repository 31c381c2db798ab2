using MsResampler.Cpu;

namespace MsResampler.Tests.Cpu;

public unsafe class AlignedBufferTests
{
    [Test]
    public void Buffers_start_at_a_cache_line_and_at_zero()
    {
        for (int count = 0; count < 40; count++)
        {
            AlignedBuffer buffer = new(count);
            Assert.That((long)buffer.Pointer % 64, Is.Zero);
            Assert.That(buffer.Span.ToArray(), Has.Length.EqualTo(count).And.All.Zero);
        }

        Assert.That(() => new AlignedBuffer(int.MaxValue), Throws.TypeOf<InsufficientMemoryException>());
    }

    [Test]
    public void Guarded_buffers_end_at_a_page()
    {
        using GuardPages guard = new();
        foreach (int count in new[] { 0, 1, 1000, 1024, 5000 })
        {
            AlignedBuffer buffer = new(count);
            buffer.Span.Fill(1);
            Assert.That(((long)(buffer.Pointer + count)) % Environment.SystemPageSize, Is.Zero);
            Assert.That(buffer.Count, Is.EqualTo(count));
        }
    }

    [Test]
    public void Pooled_buffers_are_reused_and_are_little_larger_than_requested()
    {
        BufferPool pool = new();
        List<int> counts = [1, 63, 64, 65, 127, 128, 129, 1000, 1023, 1024, 1025, 99_999];
        foreach (int count in counts)
        {
            AlignedBuffer buffer = pool.Rent(count);
            Assert.That(buffer.Count, Is.InRange(count, Math.Max(64, count + (count / 8) + 1)));
            pool.Return(buffer);
            Assert.That(pool.Rent(buffer.Count), Is.SameAs(buffer));
            Assert.That(pool.Rent(count), Is.Not.SameAs(buffer));
            pool.Return(buffer);
        }

        Assert.That(pool.IdleBytes, Is.GreaterThan(sizeof(float) * (long)counts[^1]));
        Assert.That(() => pool.Rent(int.MaxValue), Throws.TypeOf<InsufficientMemoryException>());
    }

    [Test]
    public void Pooled_buffers_that_are_unused_for_a_minute_are_released()
    {
        SetClock clock = new();
        BufferPool pool = new(clock);
        AlignedBuffer[] buffers = [pool.Rent(1000), pool.Rent(1000), pool.Rent(1000), pool.Rent(64)];
        foreach (AlignedBuffer buffer in buffers[..3])
            pool.Return(buffer);
        long all = pool.IdleBytes;
        clock.Now += TimeSpan.FromSeconds(59);
        pool.Return(buffers[3]);
        Assert.That(pool.IdleBytes, Is.EqualTo(all + (64 * sizeof(float))));
        clock.Now += TimeSpan.FromSeconds(2);

        // The buffer in use stays; each return releases one of the others.
        for (int left = 2; left >= 0; left--)
        {
            pool.Return(pool.Rent(64));
            Assert.That(pool.IdleBytes, Is.EqualTo((all / 3 * left) + (64 * sizeof(float))));
        }
    }

    /// <summary>A clock that stands still until it is set.</summary>
    internal sealed class SetClock : TimeProvider
    {
        public TimeSpan Now { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }
}
