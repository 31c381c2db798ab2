namespace MsResampler.Vision.Tests;

public class VisualTokensTests
{
    [Test]
    public void A_length_that_does_not_fit_is_an_error()
        => Assert.That(() => new VisualTokens(new float[7], 2, 4, new PatchGrid(1, 1)),
            Throws.ArgumentException.With.Message.Contains("expected 2 x 4 values, found 7"));
}
