namespace MsResampler.TestKit;

/// <summary>Tests that each use their own temporary folder.</summary>
internal abstract class TemporaryFolderFixture
{
    protected TemporaryFolder Folder { get; private set; } = null!;

    [SetUp]
    public void CreateFolder() => Folder = new TemporaryFolder();

    [TearDown]
    public void DeleteFolder() => Folder.Dispose();
}
