namespace MsResampler.Tests.Cpu;

/// <summary>Tests of kernels. Every buffer that they allocate ends at an inaccessible page.</summary>
internal abstract class GuardedTests
{
    private GuardPages? _guard;

    [SetUp]
    public void PlaceGuardPages() => _guard = new GuardPages();

    [TearDown]
    public void RemoveGuardPages() => _guard?.Dispose();
}
