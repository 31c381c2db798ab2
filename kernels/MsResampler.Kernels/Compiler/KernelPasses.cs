using ILGPU.Backends;
using ILGPU.IR;
using ILGPU.IR.Analyses;
using ILGPU.IR.Analyses.ControlFlowDirection;
using ILGPU.IR.Analyses.TraversalOrders;
using ILGPU.IR.Transformations;
using MsResampler.Kernels.Ptx;

namespace MsResampler.Kernels.Compiler;

/// <summary>The compiler passes that ILGPU's own pipeline lacks. Its level O2 has most of them, but its code placement
/// moves loads of shared memory across the last barrier of a loop's body; level O1 with these passes does
/// not.</summary>
internal readonly struct KernelPasses : IBackendHook
{
    /// <summary>Loops of up to so many constant trips are unrolled. An array is held in registers only when every loop
    /// over it is, and neither ILGPU nor ptxas does so by itself. ILGPU unrolls longer loops in part if this, or this
    /// halved and rounded down any number of times, divides their trips, and breaks them; one less than a power of two
    /// leaves alone those of 128, 256 and so on.</summary>
    public const int MaxUnrolledTrips = 127;

    /// <summary>Unrolls while arrays are still arrays and everything is inlined. A <c>continue</c> before an inner loop
    /// is more than ILGPU's unrolling can do: such a kernel does not compile.</summary>
    /// <exception cref="NotSupportedException">A loop would be unrolled in part.</exception>
    public void InitializedKernelContext(IRContext kernelContext, Method kernelMethod)
    {
        RefuseLoopsUnrolledInPart(kernelMethod);
        kernelContext.Transform(Transformer.Create(TransformerConfiguration.Empty,
            new LoopUnrolling(MaxUnrolledTrips),
            new UnreachableCodeElimination(),
            new DeadCodeElimination(),
            new SimplifyControlFlow()));
    }

    /// <summary>Finds out what memory each pointer points to, so that loads and stores name it.</summary>
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

    private static void RefuseLoopsUnrolledInPart(Method method)
    {
        Loops<ReversePostOrder, Forwards> loops = method.Blocks.CreateCFG().CreateLoops();
        LoopInfos<ReversePostOrder, Forwards> infos = loops.CreateLoopInfos();
        for (int i = 0; i < loops.Count; i++)
        {
            if (infos.TryGetInfo(loops[i], out LoopInfo<ReversePostOrder, Forwards>? info)
                && info.InductionVariables.Length == 1
                && info.InductionVariables[0].TryResolveBounds(out InductionVariableBounds bounds)
                && bounds.TryGetTripCount(out _) is > MaxUnrolledTrips and int trips
                && IsUnrolledInPart(trips))
            {
                throw new NotSupportedException($"A loop has {trips} constant trips, but more than " +
                    $"{MaxUnrolledTrips} are not unrolled; give its bound as Loop.{nameof(Loop.Rolled)}(bound).");
            }
        }
    }

    private static bool IsUnrolledInPart(int trips)
    {
        for (int factor = MaxUnrolledTrips; factor > 1; factor >>= 1)
        {
            if (trips % factor == 0)
                return true;
        }

        return false;
    }
}
