using MsResampler.Cpu;

namespace MsResampler.Tests.Cpu;

/// <summary>Finds non-finite features on the threads of the CPU engine and on the thread pool.</summary>
[TestFixture(true)]
[TestFixture(false)]
internal sealed unsafe class FeatureCheckTests(bool isThreadPool) : GuardedTests
{
    private const int Chunk = 1 << 16;

    private int FirstIndex(AlignedBuffer values, WorkerPool pool)
    {
        int index = isThreadPool ? FirstIndex(values.Span)
            : new FeatureCheckWork().Find(values.Pointer, values.Count, pool, CancellationToken.None);
        GC.KeepAlive(values);
        return index;
    }

    private static int FirstIndex(ReadOnlySpan<float> values)
    {
        try
        {
            FeatureCheck.Run(values, new FrameGroups([new PatchGrid(1, values.Length)]), channelCount: 1);
            return -1;
        }
        catch (InvalidFeaturesException e)
        {
            return e.Column;
        }
    }

    [Test]
    public void Finite_values_pass([Values(0, 1, 31, Chunk - 1, Chunk, Chunk + 1, (3 * Chunk) + 5)] int count)
    {
        using WorkerPool pool = new(3);
        float[] finite = [0, -0f, float.MaxValue, float.MinValue, float.Epsilon, -1e-42f, 1];
        AlignedBuffer values = new(count);
        for (int index = 0; index < count; index++)
            values.Span[index] = finite[index % finite.Length];

        Assert.That(FirstIndex(values, pool), Is.EqualTo(-1));
    }

    [Test]
    public void A_bad_value_is_found_at_any_position(
        [Values(float.NaN, float.PositiveInfinity, float.NegativeInfinity)] float bad)
    {
        using WorkerPool pool = new(3);
        AlignedBuffer values = Values.Random((3 * Chunk) + 37, seed: 1);
        int[] places = [.. Enumerable.Range(0, 70), Chunk - 1, Chunk, Chunk + 1, (2 * Chunk) + 40000,
            .. Enumerable.Range(values.Count - 70, 70)];
        foreach (int place in places)
        {
            float kept = values.Span[place];
            values.Span[place] = bad;
            Assert.That(FirstIndex(values, pool), Is.EqualTo(place));
            values.Span[place] = kept;
        }
    }

    [Test]
    public void The_first_of_several_bad_values_is_reported()
    {
        using WorkerPool pool = new(4);
        AlignedBuffer values = Values.Random(8 * Chunk, seed: 1);
        foreach (int chunk in new[] { 7, 5, 3, 2, 1 })
        {
            values.Span[(chunk * Chunk) + 99] = float.NaN;
            values.Span[(chunk * Chunk) + 17] = float.PositiveInfinity;
            for (int run = 0; run < 20; run++)
                Assert.That(FirstIndex(values, pool), Is.EqualTo((chunk * Chunk) + 17));
        }
    }

    [Test]
    public void Values_of_both_infinities_do_not_cancel()
    {
        using WorkerPool pool = new(1);
        AlignedBuffer values = new(64);
        values.Span[40] = float.PositiveInfinity;
        values.Span[41] = float.NegativeInfinity;

        Assert.That(FirstIndex(values, pool), Is.EqualTo(40));
    }
}
