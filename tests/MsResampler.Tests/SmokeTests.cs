namespace MsResampler.Tests;

public class SmokeTests
{
    [NUnit.Framework.Test]
    public void Grid_counts_patches() => NUnit.Framework.Assert.That(new PatchGrid(3, 4).PatchCount, NUnit.Framework.Is.EqualTo(12));
}
