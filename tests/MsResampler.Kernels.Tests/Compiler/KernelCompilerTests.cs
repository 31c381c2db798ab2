using System.Reflection;
using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Runtime;
using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tests.Ptx;
using CompiledKernel = MsResampler.Kernels.Compiler.CompiledKernel;

namespace MsResampler.Kernels.Tests.Compiler;

public sealed class KernelCompilerTests
{
    private readonly KernelCompiler _compiler = new();

    private interface ICount
    {
        static abstract int Count { get; }
    }

    [Test]
    public void The_entry_and_its_parameters_are_parsed_from_the_text()
    {
        CompiledKernel kernel = Compile(nameof(EveryKindOfParameter), 80);

        Assert.That(kernel.EntryName, Is.EqualTo("KernelCompilerTests_EveryKindOfParameter"));
        Assert.That(kernel.Name, Is.EqualTo("the name"));
        Assert.That(kernel.Parameters, Is.EqualTo(new KernelParameter[]
        {
            new(0, 16, sizeof(float)), new(16, 1), new(24, 16, sizeof(int)), new(40, 4), new(48, 8), new(56, 16),
            new(72, 2),
        }));
        Assert.That(kernel.ParameterBytes, Is.EqualTo(74));
    }

    [Test]
    public void The_entry_is_named_after_class_method_and_type_arguments()
    {
        CompiledKernel kernel = _compiler.Compile(Method(nameof(SumOf), typeof(Four)), "four", 80);

        Assert.That(kernel.EntryName, Is.EqualTo("KernelCompilerTests_SumOf_Four"));
        Assert.That(kernel.Ptx, Does.Contain(".visible .entry KernelCompilerTests_SumOf_Four(\n"));
    }

    [TestCase(60, "sm_60")]
    [TestCase(75, "sm_75")]
    [TestCase(80, "sm_80")]
    [TestCase(90, "sm_80")]
    [TestCase(120, "sm_80")]
    public void The_text_targets_the_architecture_but_at_most_sm_80(int architecture, string target)
    {
        CompiledKernel kernel = Compile(nameof(EveryKindOfParameter), architecture);

        Assert.That(kernel.Ptx, Does.Contain($".target {target}\n").And.Contain(".version 7.0\n"));
    }

    [Test]
    public void Machine_code_is_for_the_device_unless_the_text_runs_on_one_architecture_only()
    {
        CompiledKernel portable = Compile(nameof(EveryKindOfParameter), 86);
        CompiledKernel specific = portable with
        {
            Ptx = portable.Ptx.Replace(".target sm_80", ".target sm_90a", StringComparison.Ordinal),
        };

        Assert.That((portable.Target, portable.MachineTarget(86), portable.MachineTarget(90)),
            Is.EqualTo(("sm_80", "sm_86", "sm_90")));
        Assert.That((specific.Target, specific.MachineTarget(90)), Is.EqualTo(("sm_90a", "sm_90a")));
        Assert.That(() => (portable with { Ptx = ".version 7.0" }).Target,
            Throws.TypeOf<FormatException>().With.Message.Contains(".target"));
    }

    [Test]
    public void On_Hopper_a_kernel_first_waits_for_those_before_it()
    {
        CompiledKernel other = Compile(nameof(CallsFunctions), 90);
        CompiledKernel hopper = _compiler.Compile(Method(nameof(CallsFunctions)), "the name", KernelTarget.Hopper);

        int body = other.Ptx.IndexOf(")\n{\n", other.Ptx.IndexOf(".entry", StringComparison.Ordinal),
            StringComparison.Ordinal) + 4;
        Assert.That(other.Ptx, Does.Contain(".func"), "it has functions, too");
        Assert.That(hopper.Ptx, Is.EqualTo(other.Ptx.Insert(body,
                "\tgriddepcontrol.launch_dependents;\n\tgriddepcontrol.wait;\n")
            .Replace(".version 7.0\n.target sm_80\n", ".version 7.8\n.target sm_90\n", StringComparison.Ordinal)));
        Assert.That((hopper.WaitsForDependencies, other.WaitsForDependencies), Is.EqualTo((true, false)));
        Assert.That(hopper with { Ptx = "" }, Is.EqualTo(other with { Ptx = "" }));
    }

    [Test]
    public void On_Hopper_a_newer_version_of_PTX_stays()
    {
        KernelCompiler newer = new(new KernelCache(folder: null), new PtxVersion(8, 1));
        Assert.That(newer.Compile(Method(nameof(CallsAnInstruction)), "new", KernelTarget.Hopper).Ptx,
            Does.Contain(".version 8.1\n.target sm_90\n"));
    }

    [Test]
    public void The_texts_for_Hopper_and_others_have_different_keys_and_share_one_compilation()
    {
        using TemporaryFolder folder = new();
        MethodInfo method = Method(nameof(CallsAnInstruction));
        KernelCompiler first = new(new KernelCache(folder.Path), PtxVersion.Default);
        CompiledKernel hopper = first.Compile(method, "a", KernelTarget.Hopper);
        CompiledKernel other = first.Compile(method, "a", 90);
        KernelCompiler second = new(new KernelCache(folder.Path), PtxVersion.Default);

        Assert.That(second.Compile(method, "a", 80).Ptx, Is.EqualTo(other.Ptx));
        Assert.That(second.Compile(method, "a", KernelTarget.Hopper).Ptx, Is.EqualTo(hopper.Ptx));
        Assert.That((first.CompilationCount, second.CompilationCount), Is.EqualTo((1, 0)));
        Assert.That(KernelKey.Of(method, KernelTarget.Hopper, PtxVersion.Default, default),
            Is.Not.EqualTo(KernelKey.Of(method, 90, PtxVersion.Default, default)));
    }

    [Test]
    public void The_text_contains_launch_bounds()
    {
        CompiledKernel kernel = _compiler.Compile(Method(nameof(EveryKindOfParameter)), "bounded", 80,
            new KernelSpecialization(256, 2));

        Assert.That(kernel.Ptx, Does.Contain(".maxntid 256, 1, 1").And.Contain(".minnctapersm 2"));
    }

    [Test]
    public void Arrays_indexed_by_constant_loops_become_registers()
    {
        CompiledKernel four = _compiler.Compile(Method(nameof(SumOf), typeof(Four)), "four", 80);
        CompiledKernel most = _compiler.Compile(Method(nameof(SumOf), typeof(Most)), "most", 80);

        Assert.That(four.Ptx, Does.Not.Contain(".local"));
        Assert.That(Count(four.Ptx, "add.rn.f32"), Is.EqualTo(4));
        Assert.That(most.Ptx, Does.Not.Contain(".local"));
        Assert.That(Count(most.Ptx, "add.rn.f32"), Is.EqualTo(KernelPasses.MaxUnrolledTrips));
    }

    [Test]
    public void The_text_does_not_depend_on_earlier_compilations()
    {
        var other = new KernelCompiler();
        CompiledKernel first = other.Compile(Method(nameof(SumOf), typeof(Four)), "four", 80);
        other.Compile(Method(nameof(EveryKindOfParameter)), "another", 80);
        other.Compile(Method(nameof(SumOf), typeof(Most)), "most", 80);
        CompiledKernel last = other.Compile(Method(nameof(SumOf), typeof(Four)), "four", 86);

        Assert.That(last.Ptx, Is.EqualTo(first.Ptx));
        Assert.That(first.Ptx, Does.Contain(".param .align 8 .b8 _source_0[16]").And.Contain("\tL_"));
    }

    [Test]
    public void The_texts_do_not_depend_on_threads_and_order()
    {
        KernelVariant[] variants =
            [.. KernelLibrary.All.Where(variant => variant.Name.StartsWith("LayerNorm", StringComparison.Ordinal))];
        var alone = new KernelCompiler();
        string[] expected = [.. variants.Select(variant => variant.Compile(alone, 80).Ptx)];
        var shared = new KernelCompiler();
        string[] texts = new string[variants.Length];

        Parallel.For(0, texts.Length, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
            texts[^(i + 1)] = variants[^(i + 1)].Compile(shared, 80).Ptx);

        Assert.That(texts, Is.EqualTo(expected));
    }

    [Test]
    public void Unused_functions_are_removed_from_the_text()
    {
        CompiledKernel kernel = Compile(nameof(CallsAnInstruction), 80);

        Assert.That(kernel.Ptx, Does.Not.Contain(".func").And.Contain("ex2.approx.ftz.f32"));
    }

    [Test]
    public void Used_functions_stay_in_the_text()
    {
        CompiledKernel kernel = Compile(nameof(CallsFunctions), 80);
        int[] values = [.. Enumerable.Range(0, 32)];

        KernelRun.Run(kernel, blockCount: 1, values.Length, seed: 0, values);

        Assert.That(kernel.Ptx, Does.Contain(".func"));
        Assert.That(values, Is.EqualTo(Enumerable.Range(0, 32).Select(i => (((i * 7) + 3) * 7) - 1)));
    }

    [Test]
    public void An_error_names_what_cannot_be_compiled_and_why()
    {
        Assert.That(() => Compile(nameof(CopiesAsynchronously), 75), Throws.TypeOf<NotSupportedException>().With.Message
            .EqualTo("Kernel 'the name' cannot be compiled for sm_75: AsyncCopy.Commit needs sm_80 or newer; " +
                "the kernel is compiled for sm_75."));
        Assert.That(() => Compile(nameof(WaitsForAComputedCount), 80), Throws.TypeOf<NotSupportedException>()
            .With.Message.Contains("Argument 0 of AsyncCopy.Wait must be a constant after loops are unrolled"));
        Assert.That(Compile(nameof(CopiesAsynchronously), 80).Ptx, Does.Contain("cp.async.commit_group"));
    }

    [Test]
    public void A_method_that_is_not_a_kernel_is_rejected()
    {
        Assert.That(() => _compiler.Compile(Method(nameof(Count)), "x", 80), Throws.TypeOf<NotSupportedException>()
            .With.Message.Contains("KernelCompilerTests.Count is not a kernel"));
        Assert.That(() => _compiler.Compile(Method(nameof(SumOf)), "x", 80), Throws.TypeOf<NotSupportedException>());
    }

    private static void EveryKindOfParameter(ArrayView<float> a, byte b, ArrayView<int> c, int d, double e, Pair f,
        short g) => a[Grid.IdxX] = b + c[Group.IdxX] + d + (float)e + f.First + f.Second + g;

    private static void SumOf<T>(ArrayView<float> source, int count, ArrayView<float> sums)
        where T : struct, ICount
    {
        var sum = new float[T.Count];
        for (int i = 0; i < T.Count; i++)
            sum[i] = 0;
        for (int k = 0; k < count; k++)
        {
            for (int i = 0; i < T.Count; i++)
                sum[i] += source[(k * T.Count) + i];
        }

        for (int i = 0; i < T.Count; i++)
            sums[i] = sum[i];
    }

    private static void CallsAnInstruction(ArrayView<float> values) =>
        values[Group.IdxX] = PtxMath.Exp2(values[Group.IdxX]);

    private static void CallsFunctions(ArrayView<int> values) =>
        values[Group.IdxX] = Seven(Seven(values[Group.IdxX]) + 3) - 1;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Seven(int value) => 7 * value;

    private static void CopiesAsynchronously(ArrayView<float> values)
    {
        AsyncCopy.Commit();
        values[Group.IdxX] = 0;
    }

    private static void WaitsForAComputedCount(ArrayView<float> values)
    {
        AsyncCopy.Wait(Group.IdxX);
        values[Group.IdxX] = 0;
    }

    private static int Count(string text, string part) => text.Split(part).Length - 1;

    private static MethodInfo Method(string name, params Type[] arguments)
    {
        MethodInfo method = typeof(KernelCompilerTests).GetMethod(name, BindingFlags.NonPublic | BindingFlags.Static)!;
        return arguments.Length > 0 ? method.MakeGenericMethod(arguments) : method;
    }

    private CompiledKernel Compile(string method, int architecture) =>
        _compiler.Compile(Method(method), "the name", architecture);

    private record struct Pair(int First, long Second);

    private readonly struct Four : ICount
    {
        public static int Count => 4;
    }

    private readonly struct Most : ICount
    {
        public static int Count => KernelPasses.MaxUnrolledTrips;
    }
}
