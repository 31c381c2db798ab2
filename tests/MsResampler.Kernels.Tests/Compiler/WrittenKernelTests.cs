using System.Collections.Concurrent;
using ILGPU.Runtime;
using MsResampler.Kernels.Forward;
using MsResampler.Kernels.Gemm;
using MsResampler.Kernels.Gemm.Warpgroup;
using MsResampler.Kernels.Ptx.Writing;
using MsResampler.Kernels.Tiles;
using CompiledKernel = MsResampler.Kernels.Compiler.CompiledKernel;

namespace MsResampler.Kernels.Tests.Compiler;

/// <summary>Kernels that write their text themselves, as variants and in the compiler.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class WrittenKernelTests
{
    private static readonly KernelVariant s_small = new(typeof(Small<int>), BlockSize: 64, BlockCount: 3);

    [Test]
    public void A_kernel_is_written_once_and_has_the_name_of_each_caller()
    {
        KernelCompiler compiler = new();

        CompiledKernel first = s_small.Compile(compiler, KernelTarget.Hopper);
        CompiledKernel second = s_small.Compile(compiler, KernelTarget.Hopper);
        CompiledKernel other = compiler.CompileWritten(s_small.Kernel, "another name", KernelTarget.Hopper,
            new KernelSpecialization(64, 3));

        Assert.That(second, Is.SameAs(first));
        Assert.That((first.Name, other.Name), Is.EqualTo(("Small Int32", "another name")));
        Assert.That(other with { Name = first.Name }, Is.EqualTo(first));
        Assert.That(other.Ptx, Is.SameAs(first.Ptx));
        Assert.That(compiler.CompilationCount, Is.Zero, "ILGPU compiles nothing");
    }

    [Test]
    public void The_text_has_the_entry_the_parameters_and_the_bounds_of_the_variant()
    {
        CompiledKernel kernel = s_small.Compile(new KernelCompiler(), KernelTarget.Hopper);

        Assert.That(kernel.EntryName, Is.EqualTo("Small_Int32"));
        Assert.That(kernel.Ptx, Does.StartWith(".version 8.0\n.target sm_90a\n")
            .And.Contain(".visible .entry Small_Int32(\n").And.Contain(".maxntid 64, 1, 1\n.minnctapersm 3\n"));
        Assert.That(kernel.Parameters, Is.EqualTo(new KernelParameter[] { new(0, 16, 4), new(16, 4) }));
        Assert.That((kernel.ParameterBytes, kernel.BlockCount), Is.EqualTo((20, 3)));
    }

    [Test]
    public void Other_bounds_are_another_kernel()
    {
        KernelCompiler compiler = new();

        CompiledKernel wide = (s_small with { BlockSize = 128 }).Compile(compiler, KernelTarget.Hopper);

        Assert.That(s_small.Compile(compiler, KernelTarget.Hopper).Ptx, Does.Contain(".maxntid 64"));
        Assert.That(wide.Ptx, Does.Contain(".maxntid 128"));
    }

    [TestCase(80)]
    [TestCase(90)]
    [TestCase(100)]
    public void A_device_without_its_instructions_is_refused(int architecture)
    {
        Assert.That(() => s_small.Compile(new KernelCompiler(), architecture), Throws.TypeOf<NotSupportedException>()
            .With.Message.EqualTo($"Kernel 'Small Int32' needs sm_90a; it is compiled for sm_{architecture}."));
        Assert.That(s_small.RunsOn(architecture), Is.False);
    }

    [Test]
    public void Other_kernels_run_from_their_oldest_architecture_on()
    {
        KernelVariant variant = KernelLibrary.All.First(candidate => candidate.MinArchitecture == 80
            && !candidate.IsWritten);

        Assert.That(new[] { 75, 80, 90, 120 }.Select(architecture => variant.RunsOn(architecture)),
            Is.EqualTo(new[] { false, true, true, true }));
        Assert.That((variant.RunsOn(KernelTarget.Hopper), s_small.RunsOn(KernelTarget.Hopper)),
            Is.EqualTo((true, true)));
        Assert.That((variant.IsWritten, s_small.IsWritten), Is.EqualTo((false, true)));
        Assert.That(variant.Entry.Name, Is.EqualTo(KernelName.Method));
    }

    [Test]
    public void A_written_kernel_has_no_method_for_ILGPU()
        => Assert.That(() => s_small.Entry, Throws.InvalidOperationException.With.Message.EqualTo(
            "Small Int32 has no method Run"));

    [Test]
    public void Threads_share_a_kernel_that_is_written_once()
    {
        KernelCompiler compiler = new();
        KernelVariant counted = new(typeof(Counted), 32, 1);
        ConcurrentBag<CompiledKernel> kernels = [];

        Parallel.For(0, 64, new ParallelOptions { MaxDegreeOfParallelism = 8 },
            _ => kernels.Add(counted.Compile(compiler, KernelTarget.Hopper)));

        Assert.That(kernels.Distinct(ReferenceEqualityComparer.Instance).Count(), Is.EqualTo(1));
        Assert.That(Counted.WriteCount, Is.EqualTo(1));
    }

    /// <summary>The tests of the library's names include those that the library lists; these are all.</summary>
    [Test]
    public void The_names_of_products_by_warpgroups_are_unique_identifiers()
    {
        Type[] kernels =
        [
            .. from tile in new[]
                {
                    typeof(GemmWgmmaTile128x256), typeof(GemmWgmmaTile128x128), typeof(GemmWgmmaTile64x256),
                }
            from element in new[] { typeof(MmaFloat16), typeof(MmaBFloat16) }
            from epilogue in new[] { typeof(LinearEpilogue), typeof(SquaresEpilogue), typeof(ScaledEpilogue) }
            from output in new[] { typeof(GemmMmaFloat16), typeof(GemmMmaBFloat16), typeof(GemmMmaFloat32) }
            select typeof(GemmWgmma<,,,>).MakeGenericType(tile, element, epilogue, output),
        ];

        Assert.That(kernels.Select(KernelName.Entry), Is.Unique.And.All.Match("^[A-Za-z][A-Za-z0-9_]*$"));
        Assert.That(kernels.Select(KernelName.Display), Is.Unique
            .And.Contains("GemmWgmma GemmWgmmaTile128x256 MmaFloat16 LinearEpilogue GemmMmaFloat16"));
        Assert.That(KernelLibrary.All.Select(variant => KernelName.Entry(variant.Kernel)), Is.Unique);
    }

    private readonly struct Small<T> : IWrittenKernel
    {
        public static void Write(PtxWriter writer)
        {
            PtxView target = writer.View("target", sizeof(float));
            writer.StoreGlobal(target.Address, writer.ToFloat(writer.Integer("value")));
        }
    }

    private readonly struct Counted : IWrittenKernel
    {
        private static int s_writeCount;

        public static int WriteCount => s_writeCount;

        public static void Write(PtxWriter writer)
        {
            Interlocked.Increment(ref s_writeCount);
            // Other threads ask for the kernel meanwhile.
            Thread.Sleep(20);
            writer.Integer("value");
        }
    }
}
