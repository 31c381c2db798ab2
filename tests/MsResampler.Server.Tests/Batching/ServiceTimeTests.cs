using MsResampler.Server.Batching;

namespace MsResampler.Server.Tests.Batching;

/// <summary>Tests of <see cref="ServiceTime"/>.</summary>
internal sealed class ServiceTimeTests
{
    [TestCase(0, 1)]
    [TestCase(10, 1)]
    [TestCase(100, 5)]
    [TestCase(101, 6)]
    [TestCase(1_000_000, 30)]
    public void TheTimeIsThatOfTheWaitingWorkInWholeSecondsFrom1To30(int patchCount, int seconds)
    {
        ServiceTime time = new(instanceCount: 2);
        time.Add(10, TimeSpan.FromSeconds(1));
        Assert.That(time.RetryAfter(patchCount), Is.EqualTo(TimeSpan.FromSeconds(seconds)));
    }

    [Test]
    public void WithoutAMeasurementItIsASecond()
        => Assert.That(new ServiceTime(1).RetryAfter(1_000_000), Is.EqualTo(TimeSpan.FromSeconds(1)));

    [Test]
    public void NewerBatchesCountMore()
    {
        ServiceTime time = new(instanceCount: 1);
        for (int index = 0; index < 100; index++)
            time.Add(1, TimeSpan.FromSeconds(20));
        for (int index = 0; index < 30; index++)
            time.Add(1, TimeSpan.FromSeconds(2));
        // 0.8^30 of the old times is left.
        Assert.That(time.RetryAfter(1), Is.EqualTo(TimeSpan.FromSeconds(3)));
    }
}
