using System.Runtime.InteropServices;
using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>Driver calls that ILGPU's binding lacks, keeps internal, or offers only for its own stream
/// type.</summary>
internal static partial class CudaNative
{
    /// <summary>The name of the driver in both bindings; <see cref="CudaLibrary"/> resolves it to a file.</summary>
    public const string Library = "cuda";

    /// <summary>CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT.</summary>
    public const int MultiprocessorCount = 16;

    /// <summary>CU_DEVICE_ATTRIBUTE_COMPUTE_MODE.</summary>
    public const int ComputeMode = 20;

    /// <summary>CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR.</summary>
    public const int ComputeCapabilityMajor = 75;

    /// <summary>CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR.</summary>
    public const int ComputeCapabilityMinor = 76;

    /// <summary>CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN.</summary>
    public const int MaxSharedBytesOptIn = 97;

    /// <summary>CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES.</summary>
    public const int MaxDynamicSharedBytes = 8;

    /// <summary>CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES.</summary>
    public const int StaticSharedBytes = 1;

    /// <summary>CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, in percent.</summary>
    public const int PreferredSharedCarveOut = 9;

    /// <summary>CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads may allocate memory and wait during a
    /// capture.</summary>
    public const int CaptureThreadLocal = 1;

    /// <summary>CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, which ILGPU does not name.</summary>
    public const CudaError CaptureImplicit = (CudaError)906;

    /// <summary>CU_STREAM_NON_BLOCKING: the stream does not synchronise with the NULL stream.</summary>
    public const uint NonBlockingStream = 1;

    [LibraryImport(Library, EntryPoint = "cuInit")]
    public static partial CudaError Init(uint flags);

    [LibraryImport(Library, EntryPoint = "cuGetErrorName")]
    public static partial CudaError GetErrorName(CudaError error, out nint name);

    [LibraryImport(Library, EntryPoint = "cuGetErrorString")]
    public static partial CudaError GetErrorString(CudaError error, out nint text);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetAttribute")]
    public static partial CudaError GetDeviceAttribute(out int value, int attribute, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetUuid_v2")]
    public static unsafe partial CudaError GetUuid(byte* uuid, int device);

    /// <summary>The same for drivers before CUDA 11.4, which have no UUIDs for parts of a GPU.</summary>
    [LibraryImport(Library, EntryPoint = "cuDeviceGetUuid")]
    public static unsafe partial CudaError GetUuidOfGpu(byte* uuid, int device);

    [LibraryImport(Library, EntryPoint = "cuCtxPushCurrent_v2")]
    public static partial CudaError PushContext(nint context);

    [LibraryImport(Library, EntryPoint = "cuCtxPopCurrent_v2")]
    public static partial CudaError PopContext(out nint context);

    [LibraryImport(Library, EntryPoint = "cuDevicePrimaryCtxRetain")]
    public static partial CudaError RetainPrimaryContext(out nint context, int device);

    [LibraryImport(Library, EntryPoint = "cuDevicePrimaryCtxRelease_v2")]
    public static partial CudaError ReleasePrimaryContext(int device);

    [LibraryImport(Library, EntryPoint = "cuStreamCreate")]
    public static partial CudaError CreateStream(out nint stream, uint flags);

    [LibraryImport(Library, EntryPoint = "cuMemcpyHtoDAsync_v2")]
    public static unsafe partial CudaError CopyToDevice(ulong destination, void* source, nuint byteCount, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemcpyDtoHAsync_v2")]
    public static unsafe partial CudaError CopyToHost(void* destination, ulong source, nuint byteCount, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemcpyDtoDAsync_v2")]
    public static partial CudaError CopyOnDevice(ulong destination, ulong source, nuint byteCount, nint stream);

    [LibraryImport(Library, EntryPoint = "cuStreamWaitEvent")]
    public static partial CudaError WaitEvent(nint stream, nint @event, uint flags);

    [LibraryImport(Library, EntryPoint = "cuStreamIsCapturing")]
    public static partial CudaError IsCapturing(nint stream, out int state);

    [LibraryImport(Library, EntryPoint = "cuStreamBeginCapture_v2")]
    public static partial CudaError BeginCapture(nint stream, int mode);

    [LibraryImport(Library, EntryPoint = "cuStreamEndCapture")]
    public static partial CudaError EndCapture(nint stream, out nint graph);

    [LibraryImport(Library, EntryPoint = "cuGraphInstantiateWithFlags")]
    public static partial CudaError InstantiateGraph(out nint executable, nint graph, ulong flags);

    [LibraryImport(Library, EntryPoint = "cuGraphLaunch")]
    public static partial CudaError LaunchGraph(nint executable, nint stream);

    [LibraryImport(Library, EntryPoint = "cuGraphDestroy")]
    public static partial CudaError DestroyGraph(nint graph);

    [LibraryImport(Library, EntryPoint = "cuGraphExecDestroy")]
    public static partial CudaError DestroyExecutableGraph(nint executable);

    [LibraryImport(Library, EntryPoint = "cuFuncSetAttribute")]
    public static partial CudaError SetFunctionAttribute(nint function, int attribute, int value);

    [LibraryImport(Library, EntryPoint = "cuFuncGetAttribute")]
    public static partial CudaError GetFunctionAttribute(out int value, int attribute, nint function);

    /// <summary>Drivers before CUDA 11.8 lack it.</summary>
    [LibraryImport(Library, EntryPoint = "cuLaunchKernelEx")]
    public static unsafe partial CudaError LaunchKernel(CudaLaunchConfig* config, nint function, void** parameters,
        void** extra);

    [LibraryImport(Library, EntryPoint = "cuOccupancyMaxActiveBlocksPerMultiprocessor")]
    public static partial CudaError CountResidentBlocks(out int blockCount, nint function, int blockSize,
        nuint dynamicSharedBytes);

    [LibraryImport(Library, EntryPoint = "cuModuleLoadDataEx")]
    public static unsafe partial CudaError LoadModule(out nint module, byte* image, uint optionCount, int* options,
        nint* values);

    [LibraryImport(Library, EntryPoint = "cuLinkCreate_v2")]
    public static unsafe partial CudaError CreateLink(uint optionCount, int* options, nint* values, out nint link);

    [LibraryImport(Library, EntryPoint = "cuLinkAddData_v2")]
    public static unsafe partial CudaError AddToLink(nint link, int type, byte* data, nuint byteCount, byte* name,
        uint optionCount, int* options, nint* values);

    [LibraryImport(Library, EntryPoint = "cuLinkComplete")]
    public static unsafe partial CudaError CompleteLink(nint link, out byte* cubin, out nuint byteCount);

    [LibraryImport(Library, EntryPoint = "cuLinkDestroy")]
    public static partial CudaError DestroyLink(nint link);
}
