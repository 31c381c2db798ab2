using System.IO.Compression;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace MsResampler.Tests.House;

/// <summary>Checks the packages that <c>dotnet pack</c> creates. A test must not pack while a build may be writing,
/// so CI packs first and passes the folder.</summary>
public sealed partial class PackageTests
{
    private const string FolderVariable = "MSRESAMPLER_PACKAGES";
    private const string Tool = "MsResampler.Cli";
    private const long MaxToolBytes = 60_000_000;

    private static readonly string[] s_packages =
        ["MsResampler", Tool, "MsResampler.Kernels", "MsResampler.Onnx", "MsResampler.Reference"];

    /// <summary>The platforms of the command.</summary>
    private static readonly string[] s_platforms =
        ["linux-arm64", "linux-musl-arm64", "linux-musl-x64", "linux-x64", "osx", "win-arm64", "win-x64"];

    [Test]
    public void Each_library_and_the_command_have_a_package()
        => Assert.That(Packages().Select(Id), Is.EquivalentTo(s_packages));

    [TestCaseSource(nameof(s_packages))]
    public void A_package_describes_itself(string id)
    {
        using ZipArchive package = Open(id);
        XElement metadata = XDocument.Load(Entry(package, $"{id}.nuspec")).Root!.Elements().First();
        string Field(string name) => metadata.Elements()
            .FirstOrDefault(field => field.Name.LocalName == name)?.Value ?? "";
        using StreamReader reader = new(Entry(package, "README.md"));
        string readme = reader.ReadToEnd();
        string[] links = [.. Link().Matches(readme).Select(match => match.Groups["target"].Value)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Field("readme"), Is.EqualTo("README.md"));
            Assert.That(Field("description"), Is.Not.Empty);
            Assert.That(Field("license"), Is.EqualTo("MIT"));
            Assert.That(Field("tags").Split(' '), Has.Length.GreaterThan(3));
            Assert.That(readme, Does.StartWith("# MS-Resampler").And.Contain("CONTRIBUTING.md")
                .And.Contain("`PatchGrid`"));
            Assert.That(links, Is.Not.Empty.And.All.Match("^(https://|#)"), "a package has no other files to lead to");
        }
    }

    [Test]
    public void The_command_has_native_libraries_only_for_its_platforms()
    {
        string path = Packages().Single(path => Id(path) == Tool);
        using ZipArchive package = ZipFile.OpenRead(path);
        string[] platforms = [.. package.Entries.Select(entry => NativeFile().Match(entry.FullName))
            .Where(match => match.Success).Select(match => match.Groups["platform"].Value).Distinct()
                .Order(StringComparer.Ordinal)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(platforms, Is.EqualTo(s_platforms));
            Assert.That(new FileInfo(path).Length, Is.LessThan(MaxToolBytes));
        }
    }

    private static string[] Packages()
    {
        string? folder = Environment.GetEnvironmentVariable(FolderVariable);
        Skip.If(string.IsNullOrEmpty(folder),
            $"{FolderVariable} does not name a folder with packages; .ci/run creates them.");
        return Directory.GetFiles(folder!, "*.nupkg");
    }

    private static string Id(string path) => VersionAndExtension().Replace(Path.GetFileName(path), "");

    private static ZipArchive Open(string id) => ZipFile.OpenRead(Packages().Single(path => Id(path) == id));

    private static Stream Entry(ZipArchive package, string name)
        => (package.GetEntry(name) ?? throw new FileNotFoundException($"expected {name} in the package")).Open();

    [GeneratedRegex(@"(\.\d+){3}[^/]*\.nupkg$")]
    private static partial Regex VersionAndExtension();

    [GeneratedRegex(@"\]\((?<target>[^)]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex("/runtimes/(?<platform>[^/]+)/native/")]
    private static partial Regex NativeFile();
}
