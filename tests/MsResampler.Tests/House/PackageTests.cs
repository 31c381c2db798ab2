using System.IO.Compression;
using System.Reflection.Metadata;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace MsResampler.Tests.House;

/// <summary>Checks the packages that <c>dotnet pack</c> creates. A test must not pack while a build may be writing,
/// so CI packs first and passes the folder.</summary>
public sealed partial class PackageTests
{
    private const string FolderVariable = "MSRESAMPLER_PACKAGES";
    private const long MaxToolBytes = 100_000_000;   // ONNX Runtime and SkiaSharp for all platforms

    /// <summary>The kind of a source that a portable PDB contains (Portable PDB format, Embedded Source).</summary>
    private static readonly Guid s_embeddedSource = new("0E8A571B-6926-466E-B4AD-8AB04611F5FE");

    private static readonly string[] s_libraries =
        ["MsResampler", "MsResampler.Kernels", "MsResampler.Onnx", "MsResampler.Training", "MsResampler.Vision"];

    private static readonly string[] s_tools = ["MsResampler.Cli", "MsResampler.Server"];

    private static readonly string[] s_packages = [.. s_libraries, .. s_tools];

    /// <summary>The platforms of the commands. SkiaSharp's file for macOS is universal, ONNX Runtime's is
    /// not.</summary>
    private static readonly string[] s_platforms =
        ["linux-arm64", "linux-musl-arm64", "linux-musl-x64", "linux-x64", "osx", "osx-arm64", "win-arm64", "win-x64"];

    [Test]
    public void Each_library_and_each_command_has_a_package()
        => Assert.That(Packages().Select(Id), Is.EquivalentTo(s_packages));

    [TestCaseSource(nameof(s_packages))]
    public void A_package_describes_itself(string id)
    {
        using ZipArchive package = Open(id);
        XElement metadata = Metadata(package, id);
        string Field(string name) => metadata.Elements()
            .FirstOrDefault(field => field.Name.LocalName == name)?.Value ?? "";
        using StreamReader reader = new(Entry(package, "README.md"));
        string readme = reader.ReadToEnd();
        using StreamReader licence = new(Entry(package, "LICENSE"));
        string[] links = [.. Link().Matches(readme).Select(match => match.Groups["target"].Value)];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Field("readme"), Is.EqualTo("README.md"));
            Assert.That(Field("description"), Is.Not.Empty);
            Assert.That(Field("license"), Is.EqualTo("MIT"));
            Assert.That(licence.ReadToEnd(), Does.StartWith("MIT License"));
            Assert.That(Field("tags").Split(' '), Has.Length.GreaterThan(3));
            Assert.That(readme, Does.StartWith("# MS-Resampler").And.Contain("CONTRIBUTING.md")
                .And.Contain("`PatchGrid`"));
            Assert.That(links, Is.Not.Empty.And.All.Match("^(https://|#)"), "a package has no other files to lead to");
        }
    }

    /// <summary>A package that depends on a project without a package cannot be installed.</summary>
    [TestCaseSource(nameof(s_libraries))]
    public void A_library_depends_only_on_libraries_that_have_packages(string id)
    {
        using ZipArchive package = Open(id);
        string[] dependencies = [.. Metadata(package, id).Descendants()
            .Where(element => element.Name.LocalName == "dependency")
            .Select(element => element.Attribute("id")!.Value)];
        Assert.That(dependencies, Is.Not.Empty);
        Assert.That(dependencies.Where(name => name.StartsWith("MsResampler", StringComparison.Ordinal)),
            Is.SubsetOf(s_libraries));
    }

    /// <summary>CS1591, an error in these projects, makes the texts complete; here they are in the package.</summary>
    [TestCaseSource(nameof(s_libraries))]
    public void A_library_has_its_documentation_and_symbols_with_sources(string id)
    {
        using ZipArchive package = Open(id);
        using ZipArchive symbols = ZipFile.OpenRead(Path.ChangeExtension(PathOf(id), ".snupkg"));
        string[] assemblies = [.. package.Entries.Select(entry => entry.FullName)
            .Where(name => Path.GetExtension(name) == ".dll").Select(Path.GetFileName).Distinct().OfType<string>()];
        Assert.That(assemblies, Has.Length.EqualTo(1));
        string file = Path.GetFileNameWithoutExtension(assemblies[0]);
        XDocument texts = XDocument.Load(Entry(package, $"lib/net10.0/{file}.xml"));
        using MemoryStream pdb = new();
        using (Stream entry = Entry(symbols, $"lib/net10.0/{file}.pdb"))
            entry.CopyTo(pdb);
        pdb.Position = 0;
        using MetadataReaderProvider provider = MetadataReaderProvider.FromPortablePdbStream(pdb);
        MetadataReader reader = provider.GetMetadataReader();
        string[] sources = [.. reader.Documents.Select(handle =>
            reader.GetString(reader.GetDocument(handle).Name))];
        string[] without = [.. reader.Documents.Where(handle => !reader.GetCustomDebugInformation(handle)
            .Any(information => reader.GetGuid(reader.GetCustomDebugInformation(information).Kind) == s_embeddedSource))
            .Select(handle => reader.GetString(reader.GetDocument(handle).Name))];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(texts.Descendants("member").Count(), Is.GreaterThan(4));
            Assert.That(sources, Is.Not.Empty.And.All.StartsWith("/_/"), "paths must not name the build machine");
            Assert.That(without, Is.Empty, "a debugger finds the sources in the symbols");
        }
    }

    [TestCaseSource(nameof(s_tools))]
    public void A_command_has_native_libraries_only_for_its_platforms(string id)
    {
        string path = PathOf(id);
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

    private static string PathOf(string id) => Packages().Single(path => Id(path) == id);

    private static ZipArchive Open(string id) => ZipFile.OpenRead(PathOf(id));

    private static XElement Metadata(ZipArchive package, string id)
        => XDocument.Load(Entry(package, $"{id}.nuspec")).Root!.Elements().First();

    private static Stream Entry(ZipArchive package, string name)
        => (package.GetEntry(name) ?? throw new FileNotFoundException($"expected {name} in the package")).Open();

    [GeneratedRegex(@"(\.\d+){3}[^/]*\.nupkg$")]
    private static partial Regex VersionAndExtension();

    [GeneratedRegex(@"\]\((?<target>[^)]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex("/runtimes/(?<platform>[^/]+)/native/")]
    private static partial Regex NativeFile();
}
