using ILGPU.Backends;
using ILGPU.IR;
using ILGPU.IR.Transformations;

namespace MsResampler.Kernels.Compiler;

/// <summary>The compiler passes that ILGPU's own pipeline lacks. Its level O2 has most of them, but its code placement
/// moves loads of shared memory across the last barrier of a loop's body; level O1 with these passes does not.</summary>
internal readonly struct KernelPasses : IBackendHook
{
    /// <summary>Loops of up to so many constant trips are unrolled. An array is held in registers only when every loop
    /// over it is, and neither ILGPU nor ptxas does so by itself.</summary>
    public const int MaxUnrolledTrips = 64;

    /// <summary>Unrolls while arrays are still arrays and everything is inlined.</summary>
    public void InitializedKernelContext(IRContext kernelContext, Method kernelMethod) =>
        kernelContext.Transform(Transformer.Create(TransformerConfiguration.Empty,
            new LoopUnrolling(MaxUnrolledTrips),
            new UnreachableCodeElimination(),
            new DeadCodeElimination(),
            new SimplifyControlFlow()));

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
}
