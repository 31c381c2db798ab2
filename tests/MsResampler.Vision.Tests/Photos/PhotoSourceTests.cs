using MsResampler.Cli;
using MsResampler.Cli.Photos;

namespace MsResampler.Vision.Tests.Photos;

internal sealed class PhotoSourceTests : TemporaryFolderFixture
{
    private readonly List<string> _reports = [];

    [Test]
    public void A_folder_lists_its_pictures_in_ordinal_order()
    {
        Make("b.jpg", "a/z.PNG", "a.jpeg", "a-b/c.webp", "é.gif", "notes.txt", ".hidden.jpg", ".cache/x.jpg", "B.bmp");
        // '-' is before '.', and '.' before '/'.
        Assert.That(List(Folder.Path), Is.EqualTo(
            (string[])["B.bmp", "a-b/c.webp", "a.jpeg", "a/z.PNG", "b.jpg", "é.gif"]));
    }

    [Test]
    public void Links_are_followed_but_not_in_circles()
    {
        Skip.If(OperatingSystem.IsWindows(), "links need a privilege on Windows");
        using TemporaryFolder elsewhere = new();
        File.WriteAllText(elsewhere.File("far.jpg"), "");
        Make("a/b/one.jpg");
        Directory.CreateSymbolicLink(Folder.File("a/b/up"), Folder.Path);
        Directory.CreateSymbolicLink(Folder.File("a/self"), ".");
        Directory.CreateSymbolicLink(elsewhere.File("back"), Folder.File("a"));
        Directory.CreateSymbolicLink(Folder.File("far"), elsewhere.Path);
        File.CreateSymbolicLink(Folder.File("two.jpg"), "a/b/one.jpg");
        Assert.That(List(Folder.Path), Is.EqualTo(
            (string[])["a/b/one.jpg", "far/back/b/one.jpg", "far/far.jpg", "two.jpg"]));
    }

    [TestCase("*.jpg", "a.jpg")]
    [TestCase("**/*.jpg", "a.jpg b/c.jpg b/d/e.jpg b/d/f/g.jpg")]
    [TestCase("b/**", "b/c.jpg b/d/e.jpg b/d/f/g.jpg b/h.txt")]
    [TestCase("b/*/?.jpg", "b/d/e.jpg")]
    [TestCase("**/d/**/*.jpg", "b/d/e.jpg b/d/f/g.jpg")]
    [TestCase("*/*.txt", "b/h.txt")]
    [TestCase(".x/*.jpg", "")] // there is no such folder
    [TestCase("none/*.jpg", "")]
    [TestCase("A.*", "")]
    public void A_pattern_lists_what_it_matches(string pattern, string expected)
    {
        Make("a.jpg", "b/c.jpg", "b/h.txt", "b/d/e.jpg", "b/d/f/g.jpg", "b/.i.jpg");
        string prefix = Folder.Path + "/";
        Assert.That(List(prefix + pattern), Is.EqualTo(expected.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(name => prefix + name)));
    }

    [Test]
    public void A_list_has_a_path_per_line()
    {
        string list = Folder.File("list");
        File.WriteAllBytes(list, [0xef, 0xbb, 0xbf, .. "a b.jpg\r\n\n  \n/x/ö.png\nlast"u8]);
        Assert.That(List(list), Is.EqualTo((string[])["a b.jpg", "/x/ö.png", "last"]));
        File.WriteAllBytes(list, [.. "a\n"u8, 0xff, (byte)'\n']);
        Assert.That(() => List(list), Throws.TypeOf<InputException>().With.Message.Contains("UTF-8"));
        File.WriteAllText(list, "a\nb\0\n");
        Assert.That(() => List(list), Throws.TypeOf<InputException>().With.Message.Contains($"{list}, line 2"));
    }

    [Test]
    public void A_picture_and_nothing_are_errors()
    {
        Make("a.jpg");
        Assert.That(() => List(Folder.File("a.jpg")), Throws.TypeOf<InputException>()
            .With.Message.Contains("--image "));
        Assert.That(() => List(Folder.File("none")), Throws.TypeOf<InputException>()
            .With.Message.Contains("nothing of this name"));
    }

    [Test]
    public void A_plan_has_every_photo_of_the_worker_once()
    {
        string[] names = [.. Enumerable.Range(0, 1_000).Select(index => $"{index}.jpg")];
        List<string> all = [];
        foreach (int worker in Enumerable.Range(0, 7))
        {
            PhotoPlan plan = PhotoPlan.Create(names.Concat(names), new WorkShare(worker, 7), _ => false, default);
            // 1,000 photos in 7 parts: 143 with a standard deviation of 11. The hash is fixed, so this never changes.
            Assert.That(plan.Count, Is.InRange(143 - 44, 143 + 44));
            Assert.That(plan.Remaining, Has.Count.EqualTo(plan.Count));
            Assert.That(plan.Remaining, Is.EqualTo(names.Where(plan.Remaining.Contains)), "in their order");
            all.AddRange(plan.Remaining);
        }

        Assert.That(all, Is.EquivalentTo(names));
    }

    [Test]
    public void Recorded_photos_do_not_remain()
    {
        UInt128 done = PhotoId.Of("b");
        PhotoPlan plan = PhotoPlan.Create(["a", "b", "c"], WorkShare.All, id => id == done, default);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(plan.Remaining, Is.EqualTo((string[])["a", "c"]));
            Assert.That((plan.Count, plan.DoneCount), Is.EqualTo((3, 1)));
        }
    }

    // printf NAME | sha256sum: the first 16 digits, modulo 10 in Python.
    [TestCase("a.jpg", 6)]
    [TestCase("2024/ö.png", 8)]
    public void The_worker_of_a_photo_follows_from_the_hash_of_its_name(string name, int worker)
        => Assert.That(Enumerable.Range(0, 10).Where(index => new WorkShare(index, 10).Contains(PhotoId.Of(name))),
            Is.EqualTo((int[])[worker]));

    [TestCase("0/1", true)]
    [TestCase("7/8", true)]
    [TestCase("8/8", false)]
    [TestCase("-1/8", false)]
    [TestCase("0/0", false)]
    [TestCase("1", false)]
    [TestCase("1/2/3", false)]
    [TestCase("0/1000001", false)]
    public void A_share_is_an_index_and_a_count(string text, bool isValid)
        => Assert.That(WorkShare.TryParse(text, out _), Is.EqualTo(isValid));

    [Test]
    public void Names_survive_the_list()
    {
        string[] names = ["", "a", new string('x', (1 << 20) + 7), "ö/😀.jpg", new string('y', (1 << 20) - 5), "z"];
        NameList list = new();
        foreach (string name in names)
            list.Add(name);
        Assert.That(list, Is.EqualTo(names));
        Assert.That(list, Has.Count.EqualTo(names.Length));
    }

    private string[] List(string text) => [.. new PhotoSource(text).List(_reports.Add)];

    private void Make(params string[] names)
    {
        foreach (string name in names)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Folder.File(name))!);
            File.WriteAllText(Folder.File(name), "");
        }
    }
}
