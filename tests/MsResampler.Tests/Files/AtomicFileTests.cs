using MsResampler.Files;

namespace MsResampler.Tests.Files;

internal sealed class AtomicFileTests : TemporaryFolderFixture
{
    private const string Prefix = ".msresampler-";
    private const string Suffix = ".tmp";

    [Test]
    public void A_file_is_on_disk_before_it_gets_its_name()
    {
        string path = Folder.File("a");
        File.WriteAllText(path, "old");
        WatchedStream? stream = null;
        using AtomicFile file = new(path, (temporary, options) => stream = new WatchedStream(temporary, options, path));
        file.Stream.Write("new"u8);
        file.Commit();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(stream!.AtFlush, Is.EqualTo(new[] { ("new", "old") }));
            Assert.That(File.ReadAllText(path), Is.EqualTo("new"));
            Assert.That(Names(), Is.EqualTo(new[] { "a" }));
        }
    }

    [Test]
    public void A_full_disk_leaves_only_the_old_file()
    {
        string path = Folder.File("a");
        File.WriteAllText(path, "old");
        using (AtomicFile file = new(path, (temporary, options) => new WatchedStream(temporary, options, path)
        { Failure = new IOException("No space left on device : '/somewhere/.msresampler-x.tmp'") }))
        {
            file.Stream.Write("new"u8);
            Assert.That(() => file.Commit(),
                Throws.InstanceOf<IOException>().With.Message.EqualTo($"{path}: No space left on device"));
        }

        Assert.That(Names(), Is.EqualTo(new[] { "a" }));
        Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
    }

    [Test]
    public void A_cancelled_commit_leaves_the_old_file()
    {
        string path = Folder.File("a");
        File.WriteAllText(path, "old");
        using (AtomicFile file = new(path))
            Assert.That(() => file.Commit(new CancellationToken(canceled: true)),
                Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Names(), Is.EqualTo(new[] { "a" }));
        Assert.That(File.ReadAllText(path), Is.EqualTo("old"));
    }

    [TestCase("600")]
    [TestCase("640")]
    [TestCase("755")]
    [TestCase("666")]
    public void Permissions_stay_and_are_never_wider_in_between(string octal)
    {
        Skip.If(OperatingSystem.IsWindows(), "permissions are those of Unix");
        if (OperatingSystem.IsWindows())
            return;
        string path = Folder.File("a");
        File.WriteAllText(path, "old");
        var mode = (UnixFileMode)Convert.ToInt32(octal, 8);
        File.SetUnixFileMode(path, mode);
        UnixFileMode? created = null;
        using AtomicFile file = new(path, (temporary, options) =>
        {
            created = options.UnixCreateMode;
            return new FileStream(temporary, options);
        });
        Assert.That(created, Is.EqualTo(mode));
        Assert.That(File.GetUnixFileMode(Folder.File(Names().Single(name => name != "a"))), Is.EqualTo(mode));
        file.Stream.Write("new"u8);
        file.Commit();
        Assert.That(File.GetUnixFileMode(path), Is.EqualTo(mode));
    }

    [Test]
    public void A_read_only_file_is_not_replaced()
    {
        Skip.If(OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess, "root may write every file");
        if (OperatingSystem.IsWindows())
            return;
        string path = Folder.File("a");
        File.WriteAllText(path, "old");
        File.SetUnixFileMode(path, UnixFileMode.UserRead);
        Assert.That(() => new AtomicFile(path),
            Throws.InstanceOf<UnauthorizedAccessException>().With.Message.EqualTo($"{path}: the file is read-only"));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void Writing_to_a_link_replaces_its_target(bool isDangling)
    {
        Directory.CreateDirectory(Folder.File("b"));
        if (!isDangling)
            File.WriteAllText(Folder.File("b/target"), "old");
        File.CreateSymbolicLink(Folder.File("second"), "b/target");
        File.CreateSymbolicLink(Folder.File("first"), Folder.File("second"));
        using (AtomicFile file = new(Folder.File("first")))
        {
            file.Stream.Write("new"u8);
            file.Commit();
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(File.ReadAllText(Folder.File("b/target")), Is.EqualTo("new"));
            Assert.That(new FileInfo(Folder.File("first")).LinkTarget, Is.EqualTo(Folder.File("second")));
            Assert.That(Directory.GetFiles(Folder.File("b")), Is.EqualTo(new[] { Folder.File("b/target") }));
        }
    }

    [Test]
    public void Circular_links_are_an_error()
    {
        File.CreateSymbolicLink(Folder.File("a"), "b");
        File.CreateSymbolicLink(Folder.File("b"), "a");
        Assert.That(() => new AtomicFile(Folder.File("a")), Throws.InstanceOf<IOException>());
    }

    [TestCase("n", 255)]
    [TestCase("é", 127)] // two bytes each
    public void A_name_may_have_the_maximum_length_of_the_file_system(string letter, int count)
    {
        string path = Folder.File(string.Concat(Enumerable.Repeat(letter, count)));
        using AtomicFile file = new(path);
        file.Stream.Write("new"u8);
        file.Commit();
        Assert.That(File.ReadAllText(path), Is.EqualTo("new"));
    }

    [Test]
    public void Files_of_killed_processes_are_removed_and_others_kept()
    {
        File.WriteAllText(Folder.File($"{Prefix}dead{Suffix}"), "");
        File.WriteAllText(Folder.File($"{Prefix}lock{Suffix}"), "");
        File.WriteAllText(Folder.File($"{Prefix}dead"), "a user's");
        File.WriteAllText(Folder.File($"dead{Suffix}"), "a user's");
        // Simulates another process: the lock belongs to the open file, not to the process.
        using AtomicFile other = new(Folder.File("other"));
        File.WriteAllText(Folder.File($"{Prefix}dead{Suffix}"), "");
        string[] alive = Names();
        using (AtomicFile file = new(Folder.File("a")))
            file.Commit();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Names(), Is.EquivalentTo(alive.Append("a").Except([$"{Prefix}dead{Suffix}"])));
            Assert.That(Names(), Has.None.EqualTo($"{Prefix}lock{Suffix}"));
        }

        other.Commit();
        Assert.That(File.Exists(Folder.File("other")));
    }

    [Test]
    public void Files_that_many_threads_create_in_a_folder_all_exist()
    {
        Parallel.For(0, 200, new ParallelOptions { MaxDegreeOfParallelism = 8 }, index =>
        {
            using AtomicFile file = new(Folder.File($"f{index}"));
            file.Stream.Write("x"u8);
            file.Commit();
        });
        Assert.That(Names(), Is.EquivalentTo(Enumerable.Range(0, 200).Select(index => $"f{index}")));
    }

    [Test]
    public void A_pair_is_visible_complete_or_without_its_key_file()
    {
        string first = Folder.File("first");
        string key = Folder.File("key");
        int broken = 0;
        int whole = 0;
        using CancellationTokenSource done = new();
        Task reader = Task.Run(() =>
        {
            while (!done.IsCancellationRequested)
            {
                string? before = TryRead(key);
                string? value = TryRead(first);
                if (before is null || TryRead(key) != before)
                    continue; // no model now, or one that is just replaced
                whole++;
                broken += value == before ? 0 : 1;
            }
        });
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, writer =>
        {
            for (int round = 0; round < 25; round++)
                CommitPair(first, key, $"{writer} {round}");
        });
        SpinWait.SpinUntil(() => Volatile.Read(ref whole) > 0 || reader.IsCompleted);
        done.Cancel();
        reader.Wait();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(broken, Is.Zero);
            Assert.That(whole, Is.Positive);
            Assert.That(File.ReadAllText(first), Is.EqualTo(File.ReadAllText(key)));
            Assert.That(Names(), Is.EquivalentTo(new[] { "first", "key" }));
        }
    }

    [Test]
    public void A_pair_is_on_disk_before_either_file_gets_its_name()
    {
        string[] paths = [Folder.File("first"), Folder.File("key")];
        WatchedStream[] streams = new WatchedStream[2];
        AtomicFile[] files = new AtomicFile[2];
        for (int index = 0; index < 2; index++)
        {
            int which = index;
            File.WriteAllText(paths[which], "old");
            files[which] = new AtomicFile(paths[which],
                (temporary, options) => streams[which] = new WatchedStream(temporary, options, paths[which]));
            files[which].Stream.Write("new"u8);
        }

        AtomicFile.CommitPair(files[0], files[1], CancellationToken.None);
        foreach (WatchedStream stream in streams)
            Assert.That(stream.AtFlush, Is.EqualTo(new[] { ("new", "old") }));
        foreach (AtomicFile file in files)
            file.Dispose();
    }

    [Test]
    public void A_pair_whose_first_rename_fails_leaves_the_old_pair()
    {
        CommitPair(Folder.File("first"), Folder.File("key"), "old");
        using (AtomicFile first = new(Folder.File("first")))
        using (AtomicFile key = new(Folder.File("key")))
        {
            File.Delete(Folder.File("first"));
            Directory.CreateDirectory(Folder.File("first"));
            Assert.That(() => AtomicFile.CommitPair(first, key, CancellationToken.None), Throws.Exception);
        }

        Assert.That(File.ReadAllText(Folder.File("key")), Is.EqualTo("old"));
        Assert.That(Names(), Is.EquivalentTo(new[] { "first", "key" }));
    }

    [Test]
    public void A_lock_has_one_holder_and_leaves_no_file()
    {
        int holders = 0;
        int most = 0;
        int count = 0;
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, _ =>
        {
            for (int round = 0; round < 50; round++)
            {
                using FileLock held = FileLock.Acquire(Folder.File("lock"), CancellationToken.None);
                most = Math.Max(most, Interlocked.Increment(ref holders));
                count++;
                Interlocked.Decrement(ref holders);
            }
        });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(most, Is.EqualTo(1));
            Assert.That(count, Is.EqualTo(8 * 50));
            Assert.That(Names(), Is.Empty);
        }
    }

    [Test]
    public void A_locked_file_that_is_not_at_the_path_is_not_a_lock()
    {
        // Simulates that the holder removed the file after it was opened and before it was locked: the open file is
        // not the one at the path.
        File.WriteAllText(Folder.File("target"), "a user's");
        File.CreateSymbolicLink(Folder.File("lock"), "target");
        Assert.That(FileLock.TryAcquire(Folder.File("lock")), Is.Null);
        Assert.That(Names(), Is.EquivalentTo(new[] { "lock", "target" }));
    }

    [Test]
    public void Waiting_for_a_lock_can_be_cancelled()
    {
        using FileLock held = FileLock.Acquire(Folder.File("lock"), CancellationToken.None);
        using CancellationTokenSource soon = new(TimeSpan.FromMilliseconds(20));
        Assert.That(() => FileLock.Acquire(Folder.File("lock"), soon.Token),
            Throws.InstanceOf<OperationCanceledException>());
    }

    private static void CommitPair(string first, string key, string value)
    {
        using AtomicFile firstFile = new(first);
        using AtomicFile keyFile = new(key);
        firstFile.Stream.Write(System.Text.Encoding.UTF8.GetBytes(value));
        keyFile.Stream.Write(System.Text.Encoding.UTF8.GetBytes(value));
        AtomicFile.CommitPair(firstFile, keyFile, CancellationToken.None);
    }

    private static string? TryRead(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    private string[] Names() => [.. Directory.GetFileSystemEntries(Folder.Path)
        .Select(path => Path.GetFileName(path))];

    /// <summary>Records the contents of the temporary file and of the target file at every write to the
    /// disk.</summary>
    private sealed class WatchedStream(string temporary, FileStreamOptions options, string path)
        : FileStream(temporary, options)
    {
        public List<(string Temporary, string Named)> AtFlush { get; } = [];

        public IOException? Failure { get; init; }

        public override void Flush(bool flushToDisk)
        {
            if (flushToDisk && Failure is not null)
                throw Failure;
            base.Flush(flushToDisk);
            if (flushToDisk)
                AtFlush.Add((File.ReadAllText(Name), File.ReadAllText(path)));
        }
    }
}
