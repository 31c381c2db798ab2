namespace MsResampler.TestKit;

/// <summary>Redirects the kernel cache to a temporary folder for a whole test assembly. The home folder may be missing
/// or read-only, and kernels cached by earlier runs must not change a result.</summary>
/// <remarks>NUnit finds set-up fixtures only in the assembly that it runs, so each test assembly derives one from this
/// class, in the namespace above all its tests.</remarks>
public abstract class KernelCacheFolder
{
    private const string CacheVariable = "MSRESAMPLER_CACHE";
    private string _folder = "";

    [OneTimeSetUp]
    public void RedirectCache()
    {
        _folder = Directory.CreateTempSubdirectory("msresampler-kernels-").FullName;
        Environment.SetEnvironmentVariable(CacheVariable, _folder);
    }

    [OneTimeTearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);
}
