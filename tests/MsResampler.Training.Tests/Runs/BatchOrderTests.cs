namespace MsResampler.Training.Tests.Runs;

/// <summary>The items of batches.</summary>
internal sealed class BatchOrderTests
{
    [Test]
    public void Each_epoch_has_every_item_once([Values(1, 2, 7, 100)] int itemCount,
        [Values(1, 3, 8, 250)] int batchSize)
    {
        BatchOrder order = new(itemCount, batchSize, seed: 5);
        int[] batch = new int[batchSize];
        List<int> all = [];
        for (long step = 1; all.Count < 3 * itemCount; step++)
        {
            order.Fill(step, batch);
            all.AddRange(batch);
        }

        for (int epoch = 0; epoch < 3; epoch++)
            Assert.That(all.Skip(epoch * itemCount).Take(itemCount),
                Is.EquivalentTo(Enumerable.Range(0, itemCount)));
    }

    [Test]
    public void A_batch_depends_only_on_seed_and_step()
    {
        BatchOrder forwards = new(23, 5, seed: 9);
        BatchOrder backwards = new(23, 5, seed: 9);
        int[][] batches = [.. Enumerable.Range(1, 20).Select(step => BatchOf(forwards, step))];
        for (int step = 20; step >= 1; step--)
            Assert.That(BatchOf(backwards, step), Is.EqualTo(batches[step - 1]));
    }

    [Test]
    public void Seeds_and_epochs_have_different_orders()
    {
        int[][] orders = [.. from seed in (ulong[])[0, 1, 2, ulong.MaxValue] from epoch in Enumerable.Range(1, 5)
            select BatchOf(new BatchOrder(50, 50, seed), epoch)];
        Assert.That(orders.Select(order => string.Join(' ', order)).Distinct().Count(), Is.EqualTo(orders.Length));
    }

    /// <summary>Over 6,000 orders of 4 items, each of the 24 orders is expected 250 times, with a deviation of
    /// √(250·23/24) = 15.5; five deviations are 78. The seed is fixed, so that the test always has one
    /// result.</summary>
    [Test]
    public void Every_order_is_equally_likely()
    {
        BatchOrder order = new(4, 4, seed: 1);
        Dictionary<string, int> counts = Enumerable.Range(1, 6000)
            .CountBy(epoch => string.Join(' ', BatchOf(order, epoch))).ToDictionary();
        Assert.That(counts, Has.Count.EqualTo(24));
        Assert.That(counts.Values, Is.All.EqualTo(250).Within(78));
    }

    [Test]
    public void The_epoch_of_a_step_is_that_of_its_first_item()
    {
        BatchOrder order = new(10, 4, seed: 1);
        Assert.That(Enumerable.Range(1, 6).Select(step => order.EpochOf(step)),
            Is.EqualTo((long[])[0, 0, 0, 1, 1, 2]));
    }

    private static int[] BatchOf(BatchOrder order, long step)
    {
        int[] items = new int[order.BatchSize];
        order.Fill(step, items);
        return items;
    }
}
