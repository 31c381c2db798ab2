using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Tests.Compiler;

/// <summary>The choice of the cache's folder.</summary>
public sealed partial class KernelCacheFolderTests
{
    private static readonly KernelKey s_key = new("kernel");

    [Test]
    public void The_environment_variable_sets_or_disables_the_folder()
    {
        using var folder = new TemporaryFolder();
        string own = Path.Combine(folder.Path, "msresampler", "kernels");

        Assert.That(KernelCache.Open("none", folder.Path, folder.Path).Folder, Is.Null);
        Assert.That(KernelCache.Open("/some/folder", folder.Path, folder.Path).Folder, Is.EqualTo("/some/folder"));
        Assert.That(KernelCache.Open(null, folder.Path, folder.Path).Folder, Is.EqualTo(own));
        Assert.That(KernelCache.Open("  ", folder.Path, folder.Path).Folder, Is.EqualTo(own));
        Assert.That(Directory.GetFiles(own), Is.Empty);
    }

    [Test]
    public void Without_a_writable_user_folder_kernels_are_stored_in_a_private_temporary_folder()
    {
        Skip.If(OperatingSystem.IsWindows(), "Windows always has a user's folder.");
        using var temporary = new TemporaryFolder();
        string file = temporary.File("a file");
        File.WriteAllText(file, "no folder");
        foreach (string user in (string[])["", file])
        {
            KernelCache cache = KernelCache.Open(null, user, temporary.Path);
            cache.Write(s_key, "text");

            Assert.That(Path.GetDirectoryName(cache.Folder), Is.EqualTo(temporary.Path));
            Assert.That(Mode(cache.Folder!), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite
                | UnixFileMode.UserExecute));
            Assert.That(KernelCache.Open(null, user, temporary.Path).Read(s_key), Is.EqualTo("text"));
            Assert.That(cache.Problem, Is.Null);
        }
    }

    [TestCase("writable by others")]
    [TestCase("a link")]
    [TestCase("a file")]
    [TestCase("of another user")]
    public void A_temporary_folder_that_others_could_have_changed_is_not_used(string state)
    {
        Skip.If(OperatingSystem.IsWindows(), "Windows always has a user's folder.");
        using var temporary = new TemporaryFolder();
        string folder = KernelCache.Open(null, "", temporary.Path).Folder!;
        switch (state)
        {
            case "writable by others":
                SetMode(folder, Mode(folder) | UnixFileMode.GroupWrite);
                break;
            case "a link":
                Directory.Move(folder, folder + "-moved");
                Directory.CreateSymbolicLink(folder, folder + "-moved");
                break;
            case "a file":
                Directory.Delete(folder);
                File.WriteAllText(folder, "no folder");
                break;
            default:
                Skip.If(SetOwner(folder, 12345, uint.MaxValue) != 0, "Only root can give a folder to another user.");
                break;
        }

        KernelCache cache = KernelCache.Open(null, "", temporary.Path);
        cache.Write(s_key, "text");

        Assert.That(cache.Folder, Is.Null);
        Assert.That(cache.Read(s_key), Is.Null);
        Assert.That(cache.Problem, Does.Contain(folder).And.Contain(KernelCache.Variable));
    }

    [Test]
    public void A_folder_that_cannot_be_written_is_still_read()
    {
        Skip.If(OperatingSystem.IsWindows() || Environment.UserName == "root", "Root can write everything.");
        using var folder = new TemporaryFolder();
        new KernelCache(folder.Path).Write(s_key, "text");
        SetMode(folder.Path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        KernelCache cache = new(folder.Path);
        string? text = cache.Read(s_key);
        cache.Write(new KernelKey("another"), "text");
        SetMode(folder.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

        Assert.That(text, Is.EqualTo("text"));
        Assert.That(cache.Problem, Does.Contain(KernelCache.Variable));
    }

#pragma warning disable CA1416 // The tests skip Windows.
    private static UnixFileMode Mode(string path) => File.GetUnixFileMode(path);

    private static void SetMode(string path, UnixFileMode mode) => File.SetUnixFileMode(path, mode);
#pragma warning restore CA1416

    [LibraryImport("libc", EntryPoint = "chown", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetOwner(string path, uint user, uint group);
}
