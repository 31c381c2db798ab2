using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using MsResampler.Kernels.Ptx;
using static MsResampler.Kernels.Tests.Ptx.ScalarExpectations;

namespace MsResampler.Kernels.Tests.Ptx;

/// <summary>The results of instructions on ILGPU's CPU accelerator, which runs their C# bodies.</summary>
public sealed class ManagedBodyTests
{
    private const int BlockSize = 4;
    private Context _context = null!;
    private CPUAccelerator _accelerator = null!;

    [OneTimeSetUp]
    public void Create()
    {
        _context = Context.Create(builder =>
        {
            builder.CPU();
            PtxInstructions.Register(builder);
        });
        _accelerator = _context.CreateCPUAccelerator(0);
    }

    [OneTimeTearDown]
    public void Release()
    {
        _accelerator.Dispose();
        _context.Dispose();
    }

    [Test]
    public void A_rolled_bound_keeps_its_value()
    {
        int[] x = [3, -5, int.MaxValue, 0];
        Assert.That(Run<int, int>(InstructionKernels.Rolled, x), Is.EqualTo(x));
    }

    [Test]
    public void Exp2() => CheckExp2(Run<float, float>(InstructionKernels.Exp2, Values));

    [Test]
    public void Log2() => CheckLog2(Run<float, float>(InstructionKernels.Log2, Values));

    [Test]
    public void Reciprocal() => CheckReciprocal(Run<float, float>(InstructionKernels.Reciprocal, Values));

    [Test]
    public void ReciprocalSqrt() => CheckReciprocalSqrt(Run<float, float>(InstructionKernels.ReciprocalSqrt, Values));

    [Test]
    public void Fma_rounds_once() =>
        Assert.That(PtxMath.Fma(1 + (1f / 4096), 1 - (1f / 4096), -1), Is.EqualTo(-1f / (1 << 24)));

    [Test]
    public void Rounding_to_TF32_rounds_ties_away_from_zero()
    {
        uint[] results = Run<float, uint>(InstructionKernels.PackTF32, Values);

        for (int i = 0; i < Values.Length; i++)
            Assert.That(IsTF32(results[i], Values[i]), Is.True, $"{Values[i]:R} -> {results[i]:X8}");
    }

    [Test]
    public void Packing()
    {
        foreach (float low in Values)
        {
            foreach (float high in Values)
            {
                uint f16 = Pack.F16(low, high);
                uint bf16 = Pack.BF16(low, high);
                Assert.That(IsF16(f16 & 0xFFFF, low) && IsF16(f16 >> 16, high), Is.True, $"{low:R} {high:R} {f16:X8}");
                Assert.That(IsBF16(bf16 & 0xFFFF, low) && IsBF16(bf16 >> 16, high), Is.True,
                    $"{low:R} {high:R} {bf16:X8}");
            }
        }
    }

    [Test]
    public void Sixteen_byte_accesses_to_global_memory()
    {
        float[] floats = [.. Enumerable.Range(0, 4 * BlockSize).Select(i => i - 2.5f)];
        ushort[] words = [.. Enumerable.Range(0, 8 * BlockSize).Select(i => (ushort)(i * 2503))];

        Assert.That(Run<float, float>(InstructionKernels.GlobalFloat4, floats, BlockSize), Is.EqualTo(floats));
        Assert.That(Run<float, float>(InstructionKernels.GlobalConstantFloat4, floats, BlockSize), Is.EqualTo(floats));
        Assert.That(Run<ushort, ushort>(InstructionKernels.GlobalUInt4, words, BlockSize), Is.EqualTo(words));
        Assert.That(Run<ushort, ushort>(InstructionKernels.GlobalConstantUInt4, words, BlockSize), Is.EqualTo(words));
    }

    [Test]
    public void Instructions_that_need_a_GPU_throw_on_the_CPU() =>
        Assert.That(() => Mma.F16(default, default, 0, 0), Throws.TypeOf<NotSupportedException>()
            .With.Message.EqualTo("mma.sync runs only on a GPU or in the PTX emulator."));

    private TOut[] Run<TIn, TOut>(Action<ArrayView<TIn>, ArrayView<TOut>> kernel, TIn[] x, int? threadCount = null)
        where TIn : unmanaged
        where TOut : unmanaged
    {
        using MemoryBuffer1D<TIn, Stride1D.Dense> source = _accelerator.Allocate1D(x);
        using MemoryBuffer1D<TOut, Stride1D.Dense> result = _accelerator.Allocate1D<TOut>(x.Length);
        _accelerator.LoadStreamKernel(kernel)(new KernelConfig((threadCount ?? x.Length) / BlockSize, BlockSize),
            source.View, result.View);
        _accelerator.Synchronize();
        return result.GetAsArray1D();
    }
}
