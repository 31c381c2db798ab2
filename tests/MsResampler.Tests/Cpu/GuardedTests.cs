namespace MsResampler.Tests.Cpu;

/// <summary>Tests of kernels: every buffer they make ends at a page that cannot be read.</summary>
internal abstract class GuardedTests
{
    private GuardPages? _guard;

    [SetUp]
    public void PlaceGuardPages() => _guard = new GuardPages();

    [TearDown]
    public void RemoveGuardPages() => _guard?.Dispose();
}
