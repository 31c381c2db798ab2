using System.Text;
using MsResampler.Server.Tests.Hosting;

namespace MsResampler.Server.Tests.Batching;

/// <summary>The times and numbers that a model gives to the metrics, on a clock that only moves when it is told
/// to.</summary>
internal sealed class TimesTests : BatchingFixture
{
    private const double Second = 1_000_000;
    private static readonly PatchGrid s_grid = new(2, 2);

    [Test]
    public async Task TheTimeOfARequestIsDividedIntoWaitingAndComputing()
    {
        Settings.BatchSize = 2;
        await StartAsync();
        Task first = await HoldAsync(Images(0, "a", s_grid));
        Task second = SendAsync(Images(1, "b", s_grid, s_grid, s_grid));
        // The first is computed for 3 s, while the second waits.
        Time.Advance(TimeSpan.FromSeconds(3));
        Valve.Release();
        await Valve.EnteredAsync();
        await first;
        MetricsText early = await ReadAsync();
        // Two images of the second for 5 s, and the last one for 1 s.
        Time.Advance(TimeSpan.FromSeconds(5));
        Valve.Release();
        await Valve.EnteredAsync();
        Time.Advance(TimeSpan.FromSeconds(1));
        Valve.Open();
        await second;
        MetricsText late = await ReadAsync();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Values(early), Is.EqualTo(new[] { 1, 1, 1, 3 * Second, 0, 3 * Second }));
            Assert.That(Values(late), Is.EqualTo(new[] { 2, 4, 3, 12 * Second, 3 * Second, 9 * Second }));
        }
    }

    [Test]
    public async Task RequestsOfOneBatchAllCountItsTime()
    {
        await StartAsync();
        Task first = await HoldAsync(Images(0, "a", s_grid));
        Task[] others = [SendAsync(Images(1, "b", s_grid)), SendAsync(Images(2, "c", s_grid))];
        Valve.Release();
        await Valve.EnteredAsync();
        // Its time ends when its caller continues, so that it must do so before the clock moves.
        await first;
        Time.Advance(TimeSpan.FromSeconds(2));
        Valve.Open();
        await Task.WhenAll(others);
        Assert.That(Values(await ReadAsync()), Is.EqualTo(new[] { 3, 3, 2, 4 * Second, 0, 4 * Second }));
    }

    [Test]
    public async Task ABatchWhoseOnlyRequestFailsIsNotCounted()
    {
        Settings.QueueSize = 1;
        await StartAsync();
        Fake.Before = _ => Time.Advance(TimeSpan.FromSeconds(8));
        await SendAsync(Images(1, "a", s_grid));
        Fake.Before = _ => throw new InsufficientMemoryException();
        Assert.That((await FailureOf(SendAsync(Images(2, "a", s_grid)))).RetryAfter,
            Is.EqualTo(TimeSpan.FromSeconds(1)), "nothing waits");
        Task first = await HoldAsync(Images(3, "a", s_grid));
        Task second = SendAsync(Images(4, "a", s_grid));
        Assert.That((await FailureOf(SendAsync(Images(5, "a", s_grid)))).RetryAfter,
            Is.EqualTo(TimeSpan.FromSeconds(8)), "the time of the batch that was computed");
        Assert.That(Values(await ReadAsync()), Is.EqualTo(new[] { 1, 1, 1, 8 * Second, 0, 8 * Second }));
        Valve.Open();
        await Task.WhenAll(first, second);
    }

    /// <summary>Requests, images, batches, and the times of requests, of waiting and of computing.</summary>
    private static double[] Values(MetricsText text) =>
    [
        text.Of("nv_inference_request_success", "small"), text.Of("nv_inference_count", "small"),
        text.Of("nv_inference_exec_count", "small"), text.Of("nv_inference_request_duration_us", "small"),
        text.Of("nv_inference_queue_duration_us", "small"),
        text.Of("nv_inference_compute_infer_duration_us", "small"),
    ];

    private async Task<MetricsText> ReadAsync()
    {
        using MemoryStream stream = new();
        await Metrics.Registry.CollectAndExportAsTextAsync(stream);
        return new MetricsText(Encoding.UTF8.GetString(stream.ToArray()));
    }
}
