namespace MsResampler.Server.Tests.Batching;

/// <summary>What requests get: the bits that each of their groups has alone.</summary>
internal sealed class AnswerTests : BatchingFixture
{
    [Test]
    public async Task AnImageHasTheTokensOfTheLibrary()
    {
        await StartAsync();
        await SendAsync(Images(1, "a", new PatchGrid(3, 4)));
    }

    [Test]
    public async Task ARequestOfMoreImagesThanABatchIsComputedInPieces()
    {
        Settings.BatchSize = 3;
        await StartAsync();
        await SendAsync(Images(1, "a", [.. Enumerable.Range(1, 8).Select(side => new PatchGrid(side, 2))]));
        Assert.That(Fake.Calls.Select(call => call.PatchCounts.Length), Is.EqualTo(new[] { 3, 3, 2 }));
    }
}
