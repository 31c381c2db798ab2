using MsResampler.Cli.Ptx;

namespace MsResampler.Tests.Cli;

[Parallelizable(ParallelScope.Self)]
internal sealed class PtxTests : CliFixture
{
    [Test]
    public void Instructions_are_counted_by_kind_without_declarations()
    {
        PtxCounts counts = PtxCounts.Of("""
            // ld.global.f32 in a comment;
            .version 7.0
            .target sm_80
            .visible .entry k(
            	.param .align 8 .b8 _a[16]
            )
            {
            	.reg .pred	%p<2>;
            	.shared .align 16 .b8 tiles[2048];
            	.shared .f32 sums[32];
            	.shared .b64 one;

            	ld.param.u64	%rd1, [_a];
            L_1:
            	ld.global.v4.f32	{%f1, %f2, %f3, %f4}, [%rd1];
            	cp.async.cg.shared.global	[%r1], [%rd1], 16;
            	cp.async.ca.shared.global	[%r1], [%rd1], 16;
            	cp.async.commit_group;
            	cp.async.wait_all;
            	red.global.max.s32	[%rd1], %r1;
            	atom.max.global.s32	%r1, [%rd1], %r1;
            	red.shared.add.u32	[%r1], %r1;
            	@%p1	st.shared.f32	[%r1], %f1;
            	@!%p1	st.global.f32 [%rd1], %f1;
            	fma.rn.f32	%f1, %f2, %f3, %f4;
            	mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%a,%b,%c,%d}, {%e,%f,%g,%h}, {%i,%j}, {%a,%b,%c,%d};
            	bar.sync	0;
            	{ .reg .b32 %t; mov.b32 %t, %r1; }
            	@%p1	bra	L_1;
            	ret;
            }
            """);
        Assert.That(counts, Is.EqualTo(new PtxCounts(17, MultiplyAdds: 2, Global: 6, Shared: 1, Barriers: 1,
            SharedBytes: 2048 + 128 + 8)));
    }

    [TestCase("""
        ptxas info    : 0 bytes gmem
        ptxas info    : Compiling entry function 'k' for 'sm_80'
        ptxas info    : Function properties for k
            24 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
        ptxas info    : Used 122 registers, 32768 bytes smem, 408 bytes cmem[0]
        """, 122, 32_768, 24, 20)]
    [TestCase("""
        ptxas info    : Function properties for k
            0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
        ptxas info    : Used 10 registers, 360 bytes cmem[0]
        """, 10, 0, 0, 0)]
    public void The_report_of_ptxas_is_parsed(string log, int registers, int sharedBytes, int stackBytes,
        int spillBytes)
        => Assert.That(PtxasReport.Parse(log),
            Is.EqualTo(new PtxasReport(registers, sharedBytes, stackBytes, spillBytes)));

    [Test]
    public void Warnings_and_advice_of_ptxas_are_parsed()
    {
        PtxasReport report = PtxasReport.Parse("""
            ptxas info    : 0 bytes gmem
            ptxas info    : Compiling entry function 'warning_k' for 'sm_90a'
            ptxas info    : (C7510) Potential Performance Loss: instructions are serialized in function 'k'
            ptxas info    : Function properties for k
                0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
            ptxas info    : Used 10 registers
            ptxas warning : Value of threads per SM for entry k is out of range
            ptxas k.ptx, line 7; warning : something is deprecated
            """);

        Assert.That(report.Messages.Split('\n'), Is.EqualTo(new[]
        {
            "(C7510) Potential Performance Loss: instructions are serialized in function 'k'",
            "Value of threads per SM for entry k is out of range", "something is deprecated",
        }));
    }

    [Test]
    public void Advice_of_the_assembler_is_a_warning_with_the_name_of_the_kernel()
    {
        WriteAssembler("""
            echo "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads"
            echo "ptxas info    : Used 77 registers"
            echo "ptxas info    : (C7510) Potential Performance Loss: something"
            """);

        CliRun run = CliRun.OfProcess([("MSRESAMPLER_PTXAS", Folder)], "ptx", "--arch", "sm_75", "--out",
            In("advice"), "--precision", "float32");

        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error, Does.StartWith("warning: GemmTiled GemmTile64 LinearEpilogue: (C7510) Potential " +
            "Performance Loss: something\n"));
    }

    [Test]
    public void Kernels_are_written_and_the_table_has_the_assembler_report()
    {
        WriteAssembler("""
            echo "$@" >>"$(dirname "$0")/calls"
            echo "    0 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads" >&2
            echo "ptxas info    : Used 77 registers, 1234 bytes smem" >&2
            """);
        string[] lines = CliRun.OfProcess([("MSRESAMPLER_PTXAS", Folder)], "ptx", "--arch", "sm_75", "--out", In("ptx"))
            .Succeeds().Output.Split('\n');
        string[] files = Directory.GetFiles(In("ptx"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(lines[0], Does.Match("^kernel +target +registers +smem  spills  instructions "));
            Assert.That(lines[1..^2], Has.Length.EqualTo(files.Length)
                .And.All.Match(@"\S  +sm_75  +77  +1,234  +12  +[\d,]+  "));
            Assert.That(lines[^2], Is.EqualTo($"{files.Length} kernels for sm_75 in {In("ptx")}"));
            Assert.That(files.Select(File.ReadAllText), Has.All.Contains(".target sm_75").And.All.Contains(".entry"));
            Assert.That(File.ReadAllLines(In("calls")), Has.Length.EqualTo(files.Length)
                .And.All.Contains("-arch=sm_75"));
        }
    }

    [Test]
    public void Kernels_of_Hopper_only_name_it_and_are_assembled_for_it([Values] bool isNew)
    {
        WriteAssembler("""
            echo "$@" >>"$(dirname "$0")/calls"
            echo "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" >&2
            echo "ptxas info    : Used 77 registers" >&2
            """, isNew ? "'sm_90','sm_90a'" : "'sm_90'");
        File.Delete(In("calls"));
        string[] lines = CliRun.OfProcess([("MSRESAMPLER_PTXAS", Folder)], "ptx", "--arch", "sm_90", "--out",
            In($"hopper{isNew}"), "--config", In("config.json"), "--precision", "float16").Succeeds().Output
            .Split('\n');
        string[] written = [.. lines.Where(line => line.StartsWith("GemmWgmma ", StringComparison.Ordinal))];
        string[] others = [.. lines.Where(line => line.Contains("  sm_90 ", StringComparison.Ordinal))];
        string[] calls = File.ReadAllLines(In("calls"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(written, Is.Not.Empty);
            Assert.That(written, Is.All.Match(isNew ? @"  sm_90a  +77  +\d+,\d+  +0  "
                : @"  sm_90a  +-  +\d+,\d+  +-  "));
            Assert.That(others, Is.Not.Empty);
            Assert.That(others, Is.All.Match(@"  sm_90   +77  +[\d,]+  +0  "));
            Assert.That(calls.Count(call => call.Contains("-arch=sm_90 ", StringComparison.Ordinal)),
                Is.EqualTo(others.Length));
            Assert.That(calls.Where(call => call.Contains("-arch=sm_90a ", StringComparison.Ordinal)).ToArray(),
                Has.Length.EqualTo(isNew ? written.Length : 0).And.All.Contains("gemmwgmma-"));
            Assert.That(string.Join('\n', lines), isNew ? Does.Not.Contain("tools/get-ptxas.sh")
                : Does.Contain("in a version that supports sm_90a (CUDA 12.0 or newer): run tools/get-ptxas.sh"));
            Assert.That(lines, Has.Some.StartsWith($"{written.Length + others.Length} kernels for sm_90 in "));
        }
    }

    /// <summary>A program for another system on the PATH, and an assembler of an older toolkit.</summary>
    [Test]
    public void An_assembler_that_cannot_be_started_does_not_hinder_another_one([Values] bool hasOther)
    {
        WriteAssembler("""
            echo "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads"
            echo "ptxas info    : Used 77 registers"
            """, "'sm_90'");
        string cuda = Directory.CreateDirectory(In("toolkits/msresampler/cuda")).FullName;
        string older = Directory.CreateDirectory(Path.Combine(cuda, "11.8")).FullName;
        string broken = Directory.CreateDirectory(In("broken")).FullName;
        if (hasOther)
        {
            File.Copy(In("ptxas"), Path.Combine(older, "ptxas"), overwrite: true);
            File.WriteAllText(Path.Combine(older, "ptxas"), File.ReadAllText(In("ptxas"))
                .Replace("--version) exit", "--version) echo 'release 11.8'; exit", StringComparison.Ordinal));
        }
        else
            File.Delete(Path.Combine(older, "ptxas"));
        File.Copy(In("ptxas"), Path.Combine(broken, "ptxas"), overwrite: true);
        File.WriteAllText(Path.Combine(broken, "ptxas"), "#!/bin/sh\necho wrong system\nexit 1\n");
        (string, string)[] environment = [("MSRESAMPLER_PTXAS", ""), ("XDG_CACHE_HOME", In("toolkits")),
            ("PATH", broken)];
        CliRun run = CliRun.OfProcess(environment, "ptx", "--arch", "sm_90", "--out", In($"beside{hasOther}"),
            "--config", In("config.json"), "--precision", "float16");
        if (!hasOther)
        {
            run.FailsNaming($"{broken}/ptxas --help failed: wrong system");
            return;
        }

        string[] lines = run.Succeeds().Output.Split('\n');
        Assert.That(lines.Where(line => line.Contains("  sm_90 ", StringComparison.Ordinal)).ToArray(),
            Is.Not.Empty.And.All.Match(@"  sm_90   +77  "));
        Assert.That(lines.Where(line => line.StartsWith("GemmWgmma ", StringComparison.Ordinal)).ToArray(),
            Is.Not.Empty.And.All.Match(@"  sm_90a  +-  "));
    }

    [Test]
    public void A_configuration_limits_the_kernels_to_those_it_uses()
    {
        CliRun.Of("ptx", "--arch", "sm_80", "--out", In("all")).Succeeds();
        CliRun.Of("ptx", "--arch", "sm_80", "--out", In("own"), "--config", In("config.json")).Succeeds();
        CliRun.Of("ptx", "--arch", "sm_80", "--out", In("half"), "--config", In("config.json"), "--precision",
            "bfloat16")
            .Succeeds();
        string[] half = [.. Directory.GetFiles(In("half")).Select(path => Path.GetFileName(path))];
        string[] all = [.. Directory.GetFiles(In("all")).Select(path => Path.GetFileName(path))];
        string[] own = [.. Directory.GetFiles(In("own")).Select(path => Path.GetFileName(path))];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(own, Is.SubsetOf(all));
            Assert.That(own.Where(name => name.StartsWith("scopeattention", StringComparison.Ordinal)),
                Is.EqualTo(new[] { "scopeattentiontiled-headtile32.ptx" }));
            Assert.That(half, Is.SubsetOf(all).And.All.Matches("bfloat16|layernorm|gemmtiled|copyrows"));
            Assert.That(half.Where(name => name.StartsWith("scopeattention", StringComparison.Ordinal)),
                Is.EqualTo(new[] { "scopeattentionmma-mmaheadtile32-mmabfloat16.ptx" }));
        }
    }

    [TestCase("sm_75", "float16", "tensor cores of sm_80 or later, and --arch is sm_75")]
    [TestCase("sm_60", "bfloat16", "tensor cores of sm_80 or later, and --arch is sm_60")]
    [TestCase("sm_75", "tf32", "tensor cores of sm_80 or later, and --arch is sm_75")]
    public void A_precision_that_the_architecture_lacks_writes_no_files(string architecture,
        string precision, string reason)
    {
        string[] arguments = ["ptx", "--arch", architecture, "--out", In("refused-precision"), "--precision",
            precision];
        CliRun.Of(arguments).FailsNaming($"--precision {precision}: ", reason);
        CliRun.Of([.. arguments, "--config", In("config.json")]).FailsNaming($"--precision {precision}: ", reason);
        Assert.That(Directory.Exists(In("refused-precision")), Is.False);
    }

    [Test]
    public void A_precision_that_the_model_lacks_is_rejected_as_by_run()
    {
        File.WriteAllText(In("wide.json"), Config.Replace("\"hidden_size\": 8,", "\"hidden_size\": 288,",
            StringComparison.Ordinal).Replace("float32", "float16", StringComparison.Ordinal));
        string[] arguments = ["ptx", "--arch", "sm_80", "--out", In("wide"), "--config", In("wide.json")];
        CliRun.Of([.. arguments, "--precision", "float16"]).FailsNaming("head size of up to 128", "is 144");
        // If the model does not allow the precision of its checkpoint, it is computed in float32.
        CliRun.Of(arguments).Succeeds();
        Assert.That(KernelsIn("wide"), Has.None.Contains("float16").And.Some.StartsWith("scopeattentiontiled"));
    }

    [Test]
    public void The_type_falls_back_to_float32_without_tensor_cores()
    {
        File.WriteAllText(In("half.json"), Config.Replace("float32", "float16", StringComparison.Ordinal));
        CliRun.Of("ptx", "--arch", "sm_75", "--out", In("fallback"), "--config", In("half.json")).Succeeds();
        CliRun.Of("ptx", "--arch", "sm_75", "--out", In("single"), "--config", In("config.json")).Succeeds();
        Assert.That(KernelsIn("fallback"), Is.EqualTo(KernelsIn("single")).And.Not.Empty);
    }

    [Test]
    public void A_precision_limits_the_kernels_without_a_configuration()
    {
        CliRun.Of("ptx", "--arch", "sm_80", "--out", In("every")).Succeeds();
        string[] every = KernelsIn("every");
        List<string> seen = [];
        foreach (string precision in (string[])["float32", "tf32", "float16", "bfloat16"])
        {
            CliRun.Of("ptx", "--arch", "sm_80", "--out", In(precision), "--precision", precision).Succeeds();
            Assert.That(KernelsIn(precision), Is.SubsetOf(every));
            seen.AddRange(KernelsIn(precision));
        }

        Assert.That(seen.Distinct(), Is.EquivalentTo(every));
        Assert.That(KernelsIn("float32"), Has.None.Contains("mma"));
        Assert.That(KernelsIn("tf32"), Is.SupersetOf(KernelsIn("float32")).And.Some.Contains("mmatensorfloat32"));
        Assert.That(KernelsIn("float16"), Has.None.Contains("mmabfloat16").And.Some.Contains("mmafloat16"));
        Assert.That(KernelsIn("bfloat16"), Has.None.Contains("mmafloat16").And.Some.Contains("mmabfloat16"));
    }

    [TestCase("HOME", "home/.local/share/msresampler/kernels")]
    [TestCase("XDG_DATA_HOME", "home/msresampler/kernels")]
    [TestCase("MSRESAMPLER_CACHE", "home")]
    public void A_missing_cache_folder_is_created(string variable, string expected)
    {
        Skip.If(!OperatingSystem.IsLinux(), "The folders of local data are those of Linux.");
        // Neither the home folder of the user nor anything below it exists.
        string home = In($"cache-{variable}/home");
        (string, string)[] environment = [("MSRESAMPLER_CACHE", ""), ("XDG_DATA_HOME", ""), (variable, home)];
        CliRun.OfProcess(environment, "ptx", "--arch", "sm_80", "--out", In($"kept-{variable}"), "--config",
            In("config.json")).Succeeds();
        Assert.That(Directory.GetFiles(In($"cache-{variable}/{expected}")),
            Has.Length.EqualTo(KernelsIn($"kept-{variable}").Length));
    }

    [Test]
    public void An_unusable_cache_folder_is_one_warning()
    {
        Skip.If(!OperatingSystem.IsLinux(), "The folders of local data are those of Linux.");
        File.WriteAllText(In("no-folder"), "");
        foreach (string folder in (string[])[In("no-folder"), "/dev/null/home"])
        {
            foreach (string variable in (string[])["MSRESAMPLER_CACHE", "HOME"])
            {
                CliRun run = WithCacheIn([("TMPDIR", folder), (variable, folder)]);
                using (Assert.EnterMultipleScope())
                {
                    Assert.That(run.ExitCode, Is.Zero);
                    Assert.That(run.Error, Does.Match(
                        @"\Awarning: compiled GPU kernels are not stored[^\n]*MSRESAMPLER_CACHE[^\n]*\n\z"));
                    Assert.That(run.Error, Does.Contain(folder));
                }
            }
        }
    }

    [Test]
    public void Without_a_usable_home_the_cache_is_in_a_private_temporary_folder()
    {
        Skip.If(!OperatingSystem.IsLinux(), "The folders of local data are those of Linux.");
        string temporary = Directory.CreateDirectory(In("temporary")).FullName;
        CliRun run = WithCacheIn([("TMPDIR", temporary), ("HOME", "/dev/null/home")]).Succeeds();
        Assert.That(run.Error, Is.Empty);
        string folder = Directory.GetDirectories(temporary, "msresampler-kernels-*").Single();
        Assert.That(Directory.GetFiles(folder), Has.Length.EqualTo(KernelsIn("not-kept").Length));
    }

    [Test]
    public void Without_an_assembler_the_table_has_dashes_and_a_hint()
    {
        string output = CliRun.OfProcess([("MSRESAMPLER_PTXAS", ""), ("PATH", ""), ("XDG_CACHE_HOME", Folder)], "ptx",
            "--arch", "sm_80", "--out", In("plain")).Succeeds().Output;
        Assert.That(output, Does.Match(@"\S  +-  +[\d,]+  +-  +[\d,]+  ").And.Contain("tools/get-ptxas.sh"));
    }

    [Test]
    public void An_assembler_without_the_architecture_counts_as_missing()
    {
        WriteAssembler("exit 1");
        string output = CliRun.OfProcess([("MSRESAMPLER_PTXAS", Folder)], "ptx", "--arch", "sm_86", "--out",
            In("newer"))
            .Succeeds().Output;
        Assert.That(output, Does.Match(@"\S  +-  +[\d,]+  +-  ")
            .And.Contain("in a version that supports sm_86: run tools/get-ptxas.sh"));
    }

    [Test]
    public void Products_by_warpgroups_count_as_products()
        => Assert.That(PtxCounts.Of("""
            .visible .entry k()
            {
            	wgmma.fence.sync.aligned;
            	wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%f0, %f1, %f2, %f3}, %rd0, %rd1, %p0, 1, 1, 0, 0;
            	wgmma.commit_group.sync.aligned;
            }
            """), Is.EqualTo(new PtxCounts(3, MultiplyAdds: 1, Global: 0, Shared: 0, Barriers: 0, SharedBytes: 0)));

    [Test]
    public void A_kernel_that_the_assembler_rejects_is_an_error()
    {
        WriteAssembler("""
            echo "ptxas kernel.ptx, line 7; fatal   : Parsing error near 'x'"
            exit 255
            """);
        CliRun.OfProcess([("MSRESAMPLER_PTXAS", In("ptxas"))], "ptx", "--arch", "sm_75", "--out", In("refused"))
            .FailsNaming(".ptx failed: ptxas kernel.ptx, line 7; fatal   : Parsing error");
    }

    [TestCase("ptx --out o", "--arch")]
    [TestCase("ptx --arch sm_80", "--out")]
    [TestCase("ptx --arch 80 --out o", "'80'")]
    [TestCase("ptx --arch sm_52 --out o", "sm_60 or newer")]
    [TestCase("ptx --arch sm_9x --out o", "'sm_9x'")]
    [TestCase("ptx --arch sm_80 --out {0}/o --config {0}/none.json", "none.json")]
    [TestCase("ptx --arch sm_80 --out {0}/config.json", "is a file")]
    public void Bad_usage_is_one_line_that_names_the_cause(string arguments, string cause)
        => CliRun.Of([.. arguments.Split(' ').Select(argument =>
            argument.Replace("{0}", Folder, StringComparison.Ordinal))]).FailsNaming(cause);

    private string[] KernelsIn(string folder)
        => [.. Directory.GetFiles(In(folder)).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    private void WriteAssembler(string script, string targets = "'sm_75','sm_80'")
    {
        Skip.If(OperatingSystem.IsWindows(), "The assembler of these tests is a shell script.");
        File.WriteAllText(In("ptxas"),
            $"#!/bin/sh\ncase $1 in --help) echo \"{targets}\"; exit;; --version) exit;; esac\n{script}\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(In("ptxas"),
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private CliRun WithCacheIn((string, string)[] folders)
        => CliRun.OfProcess([("MSRESAMPLER_CACHE", ""), ("XDG_DATA_HOME", ""), .. folders], "ptx", "--arch", "sm_80",
            "--out", In("not-kept"), "--config", In("config.json"));
}
