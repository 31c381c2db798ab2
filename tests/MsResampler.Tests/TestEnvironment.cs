using NUnit.Framework;

namespace MsResampler;

/// <summary>Keeps the tests out of the home folder of whoever runs them: it may be missing or unwritable, and what earlier
/// runs left there must not change a result. In the namespace above all tests, so that it holds for all of them.</summary>
[SetUpFixture]
public sealed class TestEnvironment
{
    private const string CacheVariable = "MSRESAMPLER_CACHE";
    private string _folder = "";

    [OneTimeSetUp]
    public void KeepKernelsApart()
    {
        _folder = Directory.CreateTempSubdirectory("msresampler-kernels-").FullName;
        Environment.SetEnvironmentVariable(CacheVariable, _folder);
    }

    [OneTimeTearDown]
    public void DeleteKernels() => Directory.Delete(_folder, recursive: true);
}
