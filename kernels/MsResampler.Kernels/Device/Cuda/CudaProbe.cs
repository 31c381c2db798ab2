namespace MsResampler.Kernels.Device.Cuda;

/// <summary>What the driver makes of a kernel.</summary>
/// <param name="Name">The kernel.</param>
/// <param name="JitMilliseconds">The time to compile its PTX. It is short if the driver's own cache
/// (CUDA_CACHE_PATH) has the result.</param>
/// <param name="Registers">Registers of a thread.</param>
/// <param name="LocalBytes">Local memory of a thread: spills, and arrays that are not in registers.</param>
/// <param name="SharedBytes">Shared memory that the kernel declares.</param>
/// <param name="ConstantBytes">Constant memory that the kernel declares.</param>
/// <param name="MaxThreads">The number of threads in the largest block that can be launched.</param>
/// <param name="BinaryVersion">The architecture of the machine code, such as 80 for sm_80.</param>
/// <param name="ResidentBlocks">Blocks that a multiprocessor holds at once.</param>
/// <param name="Log">The messages of the compiler.</param>
/// <param name="Failure">What failed, or null. Values that come after it are 0.</param>
internal sealed record CudaProbe(string Name, double JitMilliseconds = 0, int Registers = 0, int LocalBytes = 0,
    int SharedBytes = 0, int ConstantBytes = 0, int MaxThreads = 0, int BinaryVersion = 0, int ResidentBlocks = 0,
    string Log = "", string? Failure = null)
{
    /// <summary>The machine code; empty after a failure.</summary>
    public byte[] Cubin { get; init; } = [];

    /// <summary>Compiles and loads a kernel, without the kernel cache, and unloads it again.</summary>
    /// <param name="context">A context of the device.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="blockSize">Threads of a block.</param>
    /// <param name="dynamicSharedBytes">Shared memory in addition to what the kernel declares.</param>
    public static CudaProbe Of(CudaContext context, CompiledKernel kernel, int blockSize, int dynamicSharedBytes)
    {
        CudaProbe probe = new(kernel.Name);
        try
        {
            using CudaContext.Scope scope = context.Enter();
            CudaJit jit = CudaJit.Compile(kernel.Ptx);
            probe = probe with { JitMilliseconds = jit.Milliseconds, Log = jit.Log, Cubin = jit.Cubin };
            context.Check(jit.Error, jit.Call, "compiling the PTX");
            context.Check(CudaJit.LoadModule(jit.Cubin, out nint module, out _), "cuModuleLoadDataEx",
                "loading the machine code");
            try
            {
                context.Check(CudaLibrary.Api.GetModuleFunction(out nint function, module, kernel.EntryName),
                    "cuModuleGetFunction", $"finding {kernel.EntryName}");
                return probe.WithFunction(context, function, blockSize, dynamicSharedBytes);
            }
            finally
            {
                CudaLibrary.Api.DestroyModule(module);
            }
        }
        catch (DeviceException exception)
        {
            return probe with { Failure = exception.Message };
        }
    }

    private CudaProbe WithFunction(CudaContext context, nint function, int blockSize, int dynamicSharedBytes)
    {
        if (dynamicSharedBytes > 0)
        {
            context.Check(CudaNative.SetFunctionAttribute(function, CudaNative.MaxDynamicSharedBytes,
                dynamicSharedBytes), "cuFuncSetAttribute", $"permitting {dynamicSharedBytes} bytes");
        }

        context.Check(CudaNative.CountResidentBlocks(out int blockCount, function, blockSize,
            (nuint)dynamicSharedBytes), "cuOccupancyMaxActiveBlocksPerMultiprocessor", "counting resident blocks");
        return this with
        {
            MaxThreads = Attribute(0),
            SharedBytes = Attribute(1),
            ConstantBytes = Attribute(2),
            LocalBytes = Attribute(3),
            Registers = Attribute(4),
            BinaryVersion = Attribute(6),
            ResidentBlocks = blockCount,
        };

        int Attribute(int attribute)
        {
            context.Check(CudaNative.GetFunctionAttribute(out int value, attribute, function), "cuFuncGetAttribute",
                $"attribute {attribute}");
            return value;
        }
    }
}
