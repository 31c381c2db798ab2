namespace MsResampler.Vision.Tests.Imaging;

internal sealed class DecodingBudgetTests
{
    private const long Capacity = 400;

    [Test]
    public void Many_threads_stay_within_the_budget_and_all_end()
    {
        DecodingBudget budget = new(Capacity);
        long taken = 0, most = 0;
        Parallel.For(0, 200, new ParallelOptions { MaxDegreeOfParallelism = 16 }, index =>
        {
            // Each thread holds encoded bytes while it waits to decode: without the quarter, all would hold some.
            long encoded = index % 3 == 0 ? budget.MaxEncodedBytes : 40;
            long decoding = index % 8 == 0 ? budget.MaxDecodingBytes : 90;
            using DecodingBudget.Lease first = budget.AcquireEncoded(encoded, CancellationToken.None);
            InterlockedMax(ref most, Interlocked.Add(ref taken, encoded));
            using DecodingBudget.Lease second = budget.AcquireDecoding(decoding, CancellationToken.None);
            InterlockedMax(ref most, Interlocked.Add(ref taken, decoding));
            Thread.Yield();
            Interlocked.Add(ref taken, -encoded - decoding);
        });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(most, Is.InRange(Capacity / 2, Capacity), "several at a time, within the budget");
            Assert.That(budget.Reserved, Is.Zero);
            Assert.That(() => budget.AcquireEncoded((Capacity / 4) + 1, CancellationToken.None),
                Throws.InstanceOf<ArgumentOutOfRangeException>());
            Assert.That(() => budget.AcquireDecoding((Capacity * 3 / 4) + 1, CancellationToken.None),
                Throws.InstanceOf<ArgumentOutOfRangeException>());
        }
    }

    [Test]
    public void A_cancelled_wait_ends_and_lets_others_pass()
    {
        DecodingBudget budget = new(Capacity);
        using CancellationTokenSource source = new();
        DecodingBudget.Lease all = budget.AcquireDecoding(300, CancellationToken.None);
        Task cancelled = Task.Run(() => budget.AcquireDecoding(200, source.Token).Dispose());
        Assert.That(cancelled.Wait(50), Is.False);
        Task next = Task.Run(() => budget.AcquireDecoding(100, CancellationToken.None).Dispose());
        source.Cancel();
        Assert.That(async () => await cancelled, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(next.Wait(TimeSpan.FromSeconds(30)), Is.True);
        all.Dispose();
        Assert.That(budget.Reserved, Is.Zero);
    }

    [Test]
    public void A_larger_capacity_ends_a_wait()
    {
        DecodingBudget budget = new(Capacity);
        using DecodingBudget.Lease all = budget.AcquireDecoding(300, CancellationToken.None);
        Task waiting = Task.Run(() => budget.AcquireDecoding(200, CancellationToken.None).Dispose());
        Assert.That(waiting.Wait(50), Is.False);
        budget.Capacity = 2 * Capacity;
        Assert.That(waiting.Wait(TimeSpan.FromSeconds(30)), Is.True);
    }

    [Test]
    public void Images_of_many_threads_share_the_budget_and_leave_nothing()
    {
        byte[] png = Pictures.Encode(200, 150, (x, y) => Pictures.Gray((x * y) & 255));
        // The bands and rows of one image need 3 x 120,000 bytes and a few kilobytes.
        DecodingBudget budget = new(600_000);
        ImagePreprocessor preprocessor = new(ImagePreprocessing.Clip.For(new ImageSize(16, 16)));
        byte[] expected = preprocessor.Prepare(ImageInput.FromBytes(png)).Pixels;
        Parallel.For(0, 64, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ =>
        {
            using MemoryStream stream = new(png);
            RgbImage image = preprocessor.Prepare(ImageInput.FromStream(stream), budget, CancellationToken.None);
            if (!image.Pixels.AsSpan().SequenceEqual(expected))
                throw new InvalidOperationException("other pixels");
        });
        Assert.That(budget.Reserved, Is.Zero);
        Assert.That(() => preprocessor.Prepare(ImageInput.FromBytes(png, "photo"), new DecodingBudget(400_000),
            CancellationToken.None), Throws.TypeOf<InvalidImageException>().With.Message.Contains("photo"));
    }

    private static void InterlockedMax(ref long target, long value)
    {
        long seen = Volatile.Read(ref target);
        while (value > seen)
            seen = Interlocked.CompareExchange(ref target, value, seen) is var found && found == seen ? value : found;
    }
}
