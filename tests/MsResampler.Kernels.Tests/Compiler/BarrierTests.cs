using System.Reflection;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime.Cuda;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tests.Ptx;
using PtxEmulator;
using CompiledKernel = MsResampler.Kernels.Compiler.CompiledKernel;

namespace MsResampler.Kernels.Tests.Compiler;

/// <summary>Loops whose last memory operations ILGPU's level O2 moves across a barrier or a store. The compiler
/// pipeline of the project must not move them. If a later ILGPU no longer moves them, the second test fails, and
/// level O2 can be considered again.</summary>
public sealed class BarrierTests
{
    private const int BlockSize = 128;
    private const int StepCount = 5;

    private static readonly string[] s_kernels =
    [
        nameof(LoadBeforeBarrier), nameof(TwoLoadsBeforeBarrier), nameof(GlobalLoadBeforeBarrier),
        nameof(SharedLoadBeforeStore), nameof(GlobalLoadBeforeStore),
    ];

    private readonly KernelCompiler _compiler = new();

    [TestCaseSource(nameof(s_kernels))]
    public void Memory_operations_do_not_move_across_barriers_and_stores(string name)
    {
        CompiledKernel kernel = _compiler.Compile(Method(name), name, 80);

        for (ulong seed = 0; seed < 4; seed++)
            Assert.That(Run(kernel, seed), Is.EqualTo(Expected(name)), $"seed {seed}");
    }

    [TestCaseSource(nameof(s_kernels))]
    public void Level_O2_alone_moves_memory_operations(string name)
    {
        bool isWrong;
        try
        {
            isWrong = !Run(CompileWithO2(Method(name)), seed: 0).SequenceEqual(Expected(name));
        }
        catch (PtxFaultException)
        {
            isWrong = true;
        }

        Assert.That(isWrong, Is.True, $"ILGPU {Context.Version} compiles {name} correctly at level O2.");
    }

    private static void LoadBeforeBarrier(ArrayView<float> source, ArrayView<float> sums, int count)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(BlockSize);
        float sum = 0;
        for (int step = 0; step < count; step++)
        {
            shared[Group.IdxX] = source[(step * BlockSize) + Group.IdxX];
            Group.Barrier();
            sum += shared[Group.IdxX ^ 32];
            Group.Barrier();
        }

        sums[Group.IdxX] = sum;
    }

    private static void TwoLoadsBeforeBarrier(ArrayView<float> source, ArrayView<float> sums, int count)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(BlockSize);
        float sum = 0;
        for (int step = 0; step < count; step++)
        {
            shared[Group.IdxX] = source[(step * BlockSize) + Group.IdxX];
            Group.Barrier();
            sum += shared[Group.IdxX ^ 32] * shared[Group.IdxX ^ 64];
            Group.Barrier();
        }

        sums[Group.IdxX] = sum;
    }

    private static void GlobalLoadBeforeBarrier(ArrayView<float> source, ArrayView<float> sums, int count)
    {
        float sum = 0;
        for (int step = 0; step < count; step++)
        {
            sums[Group.IdxX] = source[(step * BlockSize) + Group.IdxX];
            Group.Barrier();
            sum += sums[Group.IdxX ^ 32];
            Group.Barrier();
        }

        sums[Group.IdxX] = sum;
    }

    private static void SharedLoadBeforeStore(ArrayView<float> source, ArrayView<float> sums, int count)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(BlockSize);
        float sum = 0;
        shared[Group.IdxX] = source[Group.IdxX];
        for (int step = 0; step < count; step++)
        {
            sum += shared[Group.IdxX] + 1;
            shared[Group.IdxX] = step;
        }

        sums[Group.IdxX] = sum;
    }

    private static void GlobalLoadBeforeStore(ArrayView<float> source, ArrayView<float> sums, int count)
    {
        float sum = 0;
        for (int step = 0; step < count; step++)
        {
            sum += source[Group.IdxX] * 2;
            source[Group.IdxX] = step;
        }

        sums[Group.IdxX] = sum;
    }

    /// <summary>The result of the kernel's C# code.</summary>
    private static float[] Expected(string name)
    {
        float[] source = Source();
        float[] sums = new float[BlockSize];
        for (int thread = 0; thread < BlockSize; thread++)
        {
            sums[thread] = Enumerable.Range(0, StepCount).Sum(step => name switch
            {
                nameof(LoadBeforeBarrier) or nameof(GlobalLoadBeforeBarrier) => At(step, thread ^ 32),
                nameof(SharedLoadBeforeStore) => (step == 0 ? At(0, thread) : step - 1) + 1,
                nameof(GlobalLoadBeforeStore) => (step == 0 ? At(0, thread) : step - 1) * 2,
                _ => At(step, thread ^ 32) * At(step, thread ^ 64),
            });
        }

        return sums;

        float At(int step, int thread) => source[(step * BlockSize) + thread];
    }

    /// <summary>Integers, so that the sums are exact.</summary>
    private static float[] Source() => [.. Enumerable.Range(0, StepCount * BlockSize).Select(i => (float)(i * 7 % 61))];

    private static float[] Run(CompiledKernel kernel, ulong seed)
    {
        float[] sums = new float[BlockSize];
        KernelRun.Run(kernel, blockCount: 1, BlockSize, seed, Source(), sums, StepCount);
        return sums;
    }

    private static CompiledKernel CompileWithO2(MethodInfo kernel)
    {
        using Context context = Context.Create(builder =>
        {
            builder.Optimize(OptimizationLevel.O2);
            PtxInstructions.Register(builder);
        });
        using var backend = new PTXBackend(context, new CudaArchitecture(8, 0), new CudaInstructionSet(7, 0), null!);
        var compiled = (PTXCompiledKernel)backend.Compile(EntryPointDescription.FromExplicitlyGroupedKernel(kernel),
            default);
        string ptx = PtxText.Clean(compiled.PTXAssembly, KernelName.Entry(kernel));
        (string entryName, var parameters, int parameterBytes) = PtxText.ReadEntry(ptx);
        return new CompiledKernel(kernel.Name, entryName, ptx, parameters, parameterBytes);
    }

    private static MethodInfo Method(string name) =>
        typeof(BarrierTests).GetMethod(name, BindingFlags.NonPublic | BindingFlags.Static)!;
}
