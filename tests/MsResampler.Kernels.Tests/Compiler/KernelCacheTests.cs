using System.Reflection;
using System.Security.Cryptography;
using ILGPU;
using ILGPU.Runtime;
using MsResampler.Kernels.Ptx;
using CompiledKernel = MsResampler.Kernels.Compiler.CompiledKernel;

namespace MsResampler.Kernels.Tests.Compiler;

public sealed class KernelCacheTests
{
    private static readonly MethodInfo s_kernel = Method(nameof(Add));

    [Test]
    public void A_second_process_compiles_no_kernels()
    {
        using var folder = new TemporaryFolder();
        KernelCompiler first = Compiler(folder.Path);
        KernelCompiler second = Compiler(folder.Path);

        CompiledKernel compiled = first.Compile(s_kernel, "add", 80);
        CompiledKernel read = second.Compile(s_kernel, "add", 80);

        Assert.That(first.CompilationCount, Is.EqualTo(1));
        Assert.That(second.CompilationCount, Is.Zero);
        Assert.That(read.Ptx, Is.EqualTo(compiled.Ptx));
        Assert.That(read.EntryName, Is.EqualTo(compiled.EntryName));
        Assert.That(read.Parameters, Is.EqualTo(compiled.Parameters));
        Assert.That(read.ParameterBytes, Is.EqualTo(compiled.ParameterBytes));
    }

    [Test]
    public void A_kernel_with_several_names_is_compiled_once()
    {
        KernelCompiler compiler = Compiler(folder: null);

        CompiledKernel first = compiler.Compile(s_kernel, "add", 80);

        Assert.That(compiler.Compile(s_kernel, "add", 80), Is.SameAs(first));
        Assert.That(compiler.Compile(s_kernel, "sum", 80).Name, Is.EqualTo("sum"));
        Assert.That(compiler.CompilationCount, Is.EqualTo(1));
    }

    [Test]
    public void The_key_contains_everything_that_the_text_depends_on()
    {
        PtxVersion version = PtxVersion.Default;
        var keys = new List<KernelKey>
        {
            KernelKey.Of(s_kernel, 80, version, default),
            KernelKey.Of(s_kernel, 86, version, default),
            KernelKey.Of(s_kernel, 80, new PtxVersion(7, 8), default),
            KernelKey.Of(s_kernel, 80, version, new KernelSpecialization(128, null)),
            KernelKey.Of(s_kernel, 80, version, new KernelSpecialization(128, 1)),
            KernelKey.Of(Method(nameof(Subtract)), 80, version, default),
            KernelKey.Of(Method(nameof(Fill)).MakeGenericMethod(typeof(int)), 80, version, default),
            KernelKey.Of(Method(nameof(Fill)).MakeGenericMethod(typeof(One.Choice)), 80, version, default),
            KernelKey.Of(Method(nameof(Fill)).MakeGenericMethod(typeof(Other.Choice)), 80, version, default),
            KernelKey.Of(OfClass(typeof(Generic<int>)), 80, version, default),
            KernelKey.Of(OfClass(typeof(Generic<Other.Choice>)), 80, version, default),
        };

        Assert.That(keys.Select(key => key.Text), Is.Unique);
        Assert.That(keys.Select(key => key.FileName), Is.Unique);
        Guid[] builds =
        [
            typeof(KernelCacheTests).Module.ModuleVersionId, typeof(KernelCache).Module.ModuleVersionId,
            typeof(Context).Module.ModuleVersionId, typeof(PatchGrid).Module.ModuleVersionId,
        ];
        foreach (Guid build in builds)
            Assert.That(keys.Select(key => key.Text), Has.All.Contains(build.ToString()));
        Assert.That(keys[6].Text, Does.Contain(typeof(int).Module.ModuleVersionId.ToString()));
        Assert.That(keys[9].Text, Does.Contain(typeof(int).Module.ModuleVersionId.ToString()));
    }

    [TestCaseSource(nameof(Corruptions))]
    public void A_changed_file_is_compiled_and_written_again(string name, Func<byte[], byte[]> corrupt)
    {
        using var folder = new TemporaryFolder();
        string file = WriteOne(folder);
        byte[] whole = File.ReadAllBytes(file);
        File.WriteAllBytes(file, corrupt(whole));

        KernelCompiler compiler = Compiler(folder.Path);
        compiler.Compile(s_kernel, "add", 80);

        Assert.That(compiler.CompilationCount, Is.EqualTo(1), name);
        Assert.That(File.ReadAllBytes(file), Is.EqualTo(whole), name);
    }

    [Test]
    public void A_change_of_any_byte_is_detected()
    {
        using var folder = new TemporaryFolder();
        string file = WriteOne(folder);
        byte[] whole = File.ReadAllBytes(file);
        var cache = new KernelCache(folder.Path);
        KernelKey key = Key(s_kernel);

        Assert.That(cache.Read(key), Is.Not.Null);
        for (int i = 0; i < whole.Length; i++)
        {
            byte[] changed = [.. whole];
            changed[i] ^= (byte)(1 << (i % 8));
            File.WriteAllBytes(file, changed);
            Assert.That(cache.Read(key), Is.Null, $"byte {i}");
        }
    }

    [Test]
    public void A_kernel_in_the_file_of_another_kernel_is_not_used()
    {
        using var folder = new TemporaryFolder();
        string file = WriteOne(folder);
        KernelKey other = Key(Method(nameof(Subtract)));
        File.Move(file, Path.Combine(folder.Path, other.FileName + Path.GetExtension(file)));

        Assert.That(new KernelCache(folder.Path).Read(other), Is.Null);
    }

    [Test]
    public void A_warning_names_an_unwritable_folder_and_the_reason()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("a file");
        File.WriteAllText(file, "no folder");
        string below = Path.Combine(file, "below");
        var missing = new KernelCache(Path.Combine(folder.Path, "not", "yet", "there"));
        KernelCache[] useless = [new(below), new(file), new("not a \0 path")];
        var none = new KernelCache(folder: null);

        missing.Write(Key(s_kernel), "text");
        none.Write(Key(s_kernel), "text");
        Assert.That(useless.Select(cache => cache.Problem), Is.All.Null,
            "no problem is reported before the first write");
        foreach (KernelCache cache in useless)
        {
            cache.Write(Key(s_kernel), "text");
            Assert.That(cache.Read(Key(s_kernel)), Is.Null);
        }

        Assert.That((missing.Problem, none.Problem), Is.EqualTo(((string?)null, (string?)null)));
        Assert.That(missing.Read(Key(s_kernel)), Is.EqualTo("text"));
        Assert.That(useless.Select(cache => cache.Problem), Is.All.Contains(KernelCache.Variable));
        Assert.That(useless[0].Problem, Does.Contain(below));
    }

    [Test]
    public void Without_a_usable_folder_kernels_are_still_compiled()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("a file");
        File.WriteAllText(file, "no folder");
        KernelCompiler inFile = Compiler(Path.Combine(file, "below"));
        KernelCompiler onFile = Compiler(file);

        Assert.That(inFile.Compile(s_kernel, "add", 80).Ptx, Is.Not.Empty);
        Assert.That(onFile.Compile(s_kernel, "add", 80).Ptx, Is.Not.Empty);
        Assert.That(File.ReadAllText(file), Is.EqualTo("no folder"));
    }

    [Test]
    public void A_kernel_that_cannot_be_stored_is_still_compiled()
    {
        using var folder = new TemporaryFolder();
        string file = WriteOne(folder);
        File.Delete(file);
        Directory.CreateDirectory(file);

        KernelCompiler compiler = Compiler(folder.Path);

        Assert.That(compiler.Compile(s_kernel, "add", 80).Ptx, Is.Not.Empty);
        Assert.That(Directory.GetFiles(folder.Path), Is.Empty);
    }

    [Test]
    public void The_least_recently_used_kernels_are_deleted_first()
    {
        using var folder = new TemporaryFolder();
        string text = new('x', 10_000);
        KernelKey[] keys = [.. Enumerable.Range(0, 5).Select(i => new KernelKey($"kernel {i}"))];
        var cache = new KernelCache(folder.Path, maxBytes: 35_000);
        foreach (KernelKey key in keys.AsSpan(0, 3))
            cache.Write(key, text);
        foreach ((int index, string path) in Directory.GetFiles(folder.Path).Order().Index())
            File.SetLastWriteTimeUtc(path, new DateTime(2020, 1, 1 + index, 0, 0, 0, DateTimeKind.Utc));
        KernelKey oldest = keys.Take(3).MinBy(key => key.FileName, StringComparer.Ordinal);
        KernelKey middle = keys.Take(3).Except([oldest]).MinBy(key => key.FileName, StringComparer.Ordinal);
        Assert.That(cache.Read(oldest), Is.EqualTo(text));

        cache.Write(keys[3], text);

        Assert.That(cache.Read(middle), Is.Null);
        Assert.That(cache.Read(oldest), Is.EqualTo(text));
        Assert.That(cache.Read(keys[3]), Is.EqualTo(text));
        Assert.That(Directory.GetFiles(folder.Path), Has.Length.EqualTo(3));
    }

    [Test]
    public void Only_files_of_the_cache_are_deleted_including_abandoned_ones()
    {
        using var folder = new TemporaryFolder();
        string abandoned = WriteOne(folder) + ".0";
        string recent = abandoned + "1";
        string foreign = folder.File("notes.txt");
        foreach (string path in new[] { abandoned, recent, foreign })
            File.WriteAllText(path, "text");
        foreach (string path in new[] { abandoned, foreign })
            File.SetLastWriteTimeUtc(path, new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));

        new KernelCache(folder.Path, maxBytes: 1).Write(new KernelKey("another"), "text");

        Assert.That(Directory.GetFiles(folder.Path), Is.EquivalentTo(new[] { recent, foreign }));
    }

    [Test]
    public void Readers_and_writers_of_a_kernel_do_not_interfere()
    {
        using var folder = new TemporaryFolder();
        var key = new KernelKey("kernel");
        string[] texts = [new string('a', 50_000), new string('b', 70_000)];
        int reads = 0;
        new KernelCache(folder.Path).Write(key, texts[0]);

        Parallel.For(0, 8, worker =>
        {
            var cache = new KernelCache(folder.Path);
            for (int i = 0; i < 50; i++)
            {
                if (worker < 2)
                {
                    cache.Write(key, texts[worker]);
                }
                else
                {
                    Assert.That(cache.Read(key), Is.AnyOf(texts));
                    Interlocked.Increment(ref reads);
                }
            }
        });

        Assert.That(reads, Is.EqualTo(300));
        Assert.That(Directory.GetFiles(folder.Path), Has.Length.EqualTo(1));
    }

    [Test]
    public void Many_threads_share_a_kernel_that_is_compiled_once()
    {
        KernelCompiler compiler = Compiler(folder: null);
        var kernels = new CompiledKernel[16];

        Parallel.For(0, kernels.Length, i => kernels[i] = compiler.Compile(s_kernel, "add", 80));

        Assert.That(kernels, Is.All.SameAs(kernels[0]));
        Assert.That(compiler.CompilationCount, Is.EqualTo(1));
    }

    private static IEnumerable<TestCaseData> Corruptions()
    {
        yield return Of("empty", _ => []);
        yield return Of("one byte", whole => whole[..1]);
        yield return Of("the checksum alone", whole => whole[..32]);
        yield return Of("half", whole => whole[..(whole.Length / 2)]);
        yield return Of("all but the last byte", whole => whole[..^1]);
        yield return Of("a byte more", whole => [.. whole, 0]);
        yield return Of("zeros", whole => new byte[whole.Length]);
        yield return Of("another program's file", _ => "PK is no kernel, but long enough to be one"u8.ToArray());
        byte[] noLength = [255, 255, 255, 255, 255, 255];
        yield return Of("another format", _ => [.. SHA256.HashData(noLength), .. noLength]);
        yield return Of("too long", whole => [.. whole, .. new byte[17 << 20]]);

        static TestCaseData Of(string name, Func<byte[], byte[]> corrupt) =>
            new TestCaseData(name, corrupt).SetArgDisplayNames(name);
    }

    private static void Add(ArrayView<float> values) => values[Group.IdxX] += 1;

    private static void Subtract(ArrayView<float> values) => values[Group.IdxX] -= 1;

    private static void Fill<T>(ArrayView<T> values)
        where T : unmanaged => values[Group.IdxX] = default;

    private static MethodInfo Method(string name) =>
        typeof(KernelCacheTests).GetMethod(name, BindingFlags.NonPublic | BindingFlags.Static)!;

    private static MethodInfo OfClass(Type type) => type.GetMethod(nameof(Generic<int>.Run))!;

    private static KernelKey Key(MethodInfo kernel) => KernelKey.Of(kernel, 80, PtxVersion.Default, default);

    private static KernelCompiler Compiler(string? folder) => new(new KernelCache(folder), PtxVersion.Default);

    /// <summary>Compiles a kernel into the folder and returns the path of its file.</summary>
    private static string WriteOne(TemporaryFolder folder)
    {
        KernelCompiler compiler = Compiler(folder.Path);
        compiler.Compile(s_kernel, "add", 80);
        return Directory.GetFiles(folder.Path).Single();
    }

    private static class Generic<T>
        where T : unmanaged
    {
        public static void Run(ArrayView<T> values) => values[Group.IdxX] = default;
    }

    private static class One
    {
        public struct Choice;
    }

    private static class Other
    {
        public struct Choice;
    }
}
