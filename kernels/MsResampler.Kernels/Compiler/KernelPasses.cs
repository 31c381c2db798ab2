using ILGPU.Backends;
using ILGPU.IR;
using ILGPU.IR.Analyses;
using ILGPU.IR.Analyses.ControlFlowDirection;
using ILGPU.IR.Analyses.TraversalOrders;
using ILGPU.IR.Transformations;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Compiler;

/// <summary>Compiler passes that are added to ILGPU's optimisation level O1. Level O2 has most of them, but its code
/// placement moves loads of shared memory across the last barrier of a loop body.</summary>
internal readonly struct KernelPasses : IBackendHook
{
    /// <summary>The largest number of constant trips of a loop that is unrolled. An array is held in registers only
    /// if every loop over it is unrolled, which neither ILGPU's level O1 nor ptxas does. ILGPU unrolls a longer loop
    /// partially, and incorrectly, if this number, or this number halved and rounded down any number of times,
    /// divides the trips. One less than a power of two leaves loops of 128, 256 and so on alone.</summary>
    public const int MaxUnrolledTrips = 127;

    /// <summary>Unrolls loops while arrays are still arrays and all calls are inlined. ILGPU cannot unroll a loop
    /// that has a <c>continue</c> before an inner loop: such a kernel does not compile.</summary>
    /// <exception cref="NotSupportedException">A loop would be unrolled partially.</exception>
    public void InitializedKernelContext(IRContext kernelContext, Method kernelMethod)
    {
        ThrowIfPartiallyUnrolled(kernelMethod);
        kernelContext.Transform(Transformer.Create(TransformerConfiguration.Empty,
            new LoopUnrolling(MaxUnrolledTrips),
            new UnreachableCodeElimination(),
            new DeadCodeElimination(),
            new SimplifyControlFlow()));
    }

    /// <summary>Infers the address space of each pointer, so that loads and stores name it.</summary>
    public void OptimizedKernelContext(IRContext kernelContext, Method kernelMethod) =>
        kernelContext.Transform(Transformer.Create(TransformerConfiguration.Empty,
            new InferKernelAddressSpaces(MemoryAddressSpace.Global),
            new LowerStructures(),
            new DeadCodeElimination(),
            new InferLocalAddressSpaces(),
            new SimplifyControlFlow(),
            new LoopInvariantCodeMotion(),
            new UnreachableCodeElimination(),
            new DeadCodeElimination(),
            new SimplifyControlFlow()));

    public void FinishedCodeGeneration(IRContext context, Method entryPoint)
    {
    }

    private static void ThrowIfPartiallyUnrolled(Method method)
    {
        Loops<ReversePostOrder, Forwards> loops = method.Blocks.CreateCFG().CreateLoops();
        LoopInfos<ReversePostOrder, Forwards> infos = loops.CreateLoopInfos();
        for (int i = 0; i < loops.Count; i++)
        {
            if (infos.TryGetInfo(loops[i], out LoopInfo<ReversePostOrder, Forwards>? info)
                && info.InductionVariables.Length == 1
                && info.InductionVariables[0].TryResolveBounds(out InductionVariableBounds bounds)
                && bounds.TryGetTripCount(out _) is > MaxUnrolledTrips and int trips
                && IsPartiallyUnrolled(trips))
            {
                throw new NotSupportedException($"A loop has {trips} constant trips, and at most " +
                    $"{MaxUnrolledTrips} are unrolled. Write its bound as Loop.{nameof(Loop.Rolled)}(bound).");
            }
        }
    }

    private static bool IsPartiallyUnrolled(int trips)
    {
        for (int factor = MaxUnrolledTrips; factor > 1; factor >>= 1)
        {
            if (trips % factor == 0)
                return true;
        }

        return false;
    }
}
