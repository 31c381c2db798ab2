using MathNet.Numerics;

namespace MsResampler.TestKit;

/// <summary>What holds for all tests of an assembly. The kernel cache is in a temporary folder: the home folder may be
/// missing or read-only, and kernels cached by earlier runs must not change a result. The reference multiplies on one
/// thread: its matrices are small, and NUnit uses the processors.</summary>
/// <remarks>NUnit finds set-up fixtures only in the assembly that it runs, so each test assembly derives one from this
/// class, in the namespace above all its tests.</remarks>
public abstract class TestProcess
{
    private const string CacheVariable = "MSRESAMPLER_CACHE";
    private string _folder = "";

    [OneTimeSetUp]
    public void SetUp()
    {
        Control.UseSingleThread();
        _folder = Directory.CreateTempSubdirectory("msresampler-kernels-").FullName;
        Environment.SetEnvironmentVariable(CacheVariable, _folder);
    }

    [OneTimeTearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);
}
