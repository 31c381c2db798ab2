using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Device.Cuda;
using MsResampler.Kernels.Gemm;

namespace MsResampler.Perf.Gpu;

/// <summary>Times matrix products of cuBLAS with float32 accumulators, if the machine has the library.</summary>
/// <remarks>The library is called through its C interface: the binding in ILGPU.Algorithms has only float16 products
/// with float16 accumulators and does not know versions 12 and later. cublasGemmEx chooses the kernel.</remarks>
internal sealed unsafe class CublasPeer : IDisposable
{
    /// <summary>The environment variable with the path of the library, such as one inside a Python package.</summary>
    private const string PathVariable = "MSRESAMPLER_CUBLAS";

    private const int Transposed = 1;
    private const int AsIs = 0;
    private const int DefaultAlgorithm = -1;

    /// <summary>CUBLAS_COMPUTE_32F and CUBLAS_COMPUTE_32F_FAST_TF32.</summary>
    private const int Single = 68, TensorFloat32 = 77;

    /// <summary>CUDA_R_32F, CUDA_R_16F and CUDA_R_16BF.</summary>
    private const int Float32Type = 0, Float16Type = 2, BFloat16Type = 14;

    private const int MinCallCount = 5;

    private static readonly string[] s_names =
        ["libcublas.so.13", "libcublas.so.12", "libcublas.so.11", "libcublas.so"];

    private readonly CudaDevice _device;
    private readonly DeviceScratch _scratch;
    private readonly TimeSpan _duration;
    private readonly CudaStream _stream;
    private readonly nint _library;
    private readonly nint _handle;

    private CublasPeer(CudaDevice device, DeviceScratch scratch, TimeSpan duration, nint library)
    {
        _device = device;
        _scratch = scratch;
        _duration = duration;
        _library = library;
        _stream = (CudaStream)device.CreateStream();
        scratch.Fill(_stream);
        using CudaContext.Scope scope = device.Context.Enter();
        nint handle;
        Check(((delegate* unmanaged<nint*, int>)Export("cublasCreate_v2"))(&handle), "cublasCreate");
        _handle = handle;
        Check(((delegate* unmanaged<nint, nint, int>)Export("cublasSetStream_v2"))(handle, _stream.Handle),
            "cublasSetStream");
        int version;
        Check(((delegate* unmanaged<nint, int*, int>)Export("cublasGetVersion_v2"))(handle, &version),
            "cublasGetVersion");
        Version = version;
    }

    /// <summary>The library's version, such as 120500.</summary>
    public int Version { get; }

    /// <summary>Opens the library on a device.</summary>
    /// <param name="device">The device; it must outlive the result.</param>
    /// <param name="scratch">Kernels that keep the device busy.</param>
    /// <param name="duration">How long to measure each product.</param>
    /// <param name="reason">The reason why the library cannot be used, or null.</param>
    public static CublasPeer? TryOpen(CudaDevice device, DeviceScratch scratch, TimeSpan duration, out string? reason)
    {
        string? given = Environment.GetEnvironmentVariable(PathVariable);
        foreach (string name in given is null ? s_names : [given])
        {
            // Inside a Python package, the library that it depends on is beside it, where the system does not look.
            if (given is not null)
                NativeLibrary.TryLoad(given.Replace("libcublas.", "libcublasLt.", StringComparison.Ordinal), out _);
            if (!NativeLibrary.TryLoad(name, out nint library))
                continue;
            try
            {
                reason = null;
                return new CublasPeer(device, scratch, duration, library);
            }
            catch (InvalidOperationException exception)
            {
                reason = exception.Message;
                return null;
            }
        }

        reason = given is null
            ? $"not found: none of {string.Join(", ", s_names)} can be loaded; set {PathVariable} to its path"
            : $"not found: {PathVariable} is {given}, which cannot be loaded";
        return null;
    }

    /// <summary>The median milliseconds of products, timed in the same way as the engine's launches: between two
    /// events, behind work that keeps the device busy, with a warm cache. Several products are one batched
    /// call.</summary>
    /// <param name="product">The products.</param>
    /// <param name="precision">float32, tf32, float16 or bfloat16.</param>
    public double Measure(ProductExtent product, string precision)
    {
        (int type, int compute, int bytes) = precision switch
        {
            "float16" => (Float16Type, Single, 2),
            "bfloat16" => (BFloat16Type, Single, 2),
            "tf32" => (Float32Type, TensorFloat32, 4),
            _ => (Float32Type, Single, 4),
        };
        long strideA = (long)product.Rows * product.Inner;
        long strideW = (long)product.Columns * product.Inner;
        long strideC = (long)product.Rows * product.Columns;
        using IDeviceMemory a = Random(product.Count * strideA * bytes);
        using IDeviceMemory w = Random(product.Count * strideW * bytes);
        using IDeviceMemory c = _device.Allocate(product.Count * strideC * bytes);
        using IDeviceTimer timer = _stream.CreateTimer()!;
        using CudaContext.Scope scope = _device.Context.Enter();
        nint multiply = Export(product.Count == 1 ? "cublasGemmEx" : "cublasGemmStridedBatchedEx");
        Time();
        List<double> samples = [];
        long start = Stopwatch.GetTimestamp();
        while (samples.Count < MinCallCount || Stopwatch.GetElapsedTime(start) < _duration)
            samples.Add(Time());
        return Spread.Of(samples).Median;

        double Time()
        {
            _scratch.Occupy(_stream);
            timer.Start();
            Multiply();
            timer.Stop();
            return timer.GetMilliseconds();
        }

        // cuBLAS is column-major: the row-major product C = A·Wᵀ is Cᵀ = W·Aᵀ there.
        void Multiply()
        {
            float one = 1, zero = 0;
            (int m, int n, int k) = (product.Columns, product.Rows, product.Inner);
            Check(product.Count == 1
                ? ((delegate* unmanaged<nint, int, int, int, int, int, float*, ulong, int, int, ulong, int, int, float*,
                    ulong, int, int, int, int, int>)multiply)(_handle, Transposed, AsIs, m, n, k, &one, w.Address, type,
                    k, a.Address, type, k, &zero, c.Address, type, m, compute, DefaultAlgorithm)
                : ((delegate* unmanaged<nint, int, int, int, int, int, float*, ulong, int, int, long, ulong, int, int,
                    long, float*, ulong, int, int, long, int, int, int, int>)multiply)(_handle, Transposed, AsIs, m, n,
                    k, &one, w.Address, type, k, strideW, a.Address, type, k, strideA, &zero, c.Address, type, m,
                    strideC, product.Count, compute, DefaultAlgorithm), "cublasGemmEx");
        }
    }

    public void Dispose()
    {
        using (_device.Context.Enter())
            ((delegate* unmanaged<nint, int>)Export("cublasDestroy_v2"))(_handle);
        _stream.Dispose();
    }

    /// <summary>Memory with random values of both signs, between 2⁻⁷ and 2 in every type, so that power and clocks
    /// are those of a real model.</summary>
    private IDeviceMemory Random(long byteCount)
    {
        IDeviceMemory memory = _device.Allocate(byteCount);
        Random random = new(1);
        ushort[] values = new ushort[Math.Min(byteCount / 2, 1 << 20)];
        foreach (ref ushort value in values.AsSpan())
            value = (ushort)(0x3C00 | (random.Next(2) << 15) | random.Next(0x400));
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes<ushort>(values);
        for (long start = 0; start < byteCount; start += bytes.Length)
            _stream.Upload(bytes[..(int)Math.Min(bytes.Length, byteCount - start)], memory, start);
        return memory;
    }

    private nint Export(string name) => NativeLibrary.TryGetExport(_library, name, out nint address) ? address
        : throw new InvalidOperationException($"cuBLAS: expected a function {name}, found none");

    private static void Check(int status, string call)
    {
        if (status != 0)
            ThrowStatus(status, call);
    }

    [DoesNotReturn]
    private static void ThrowStatus(int status, string call)
        => throw new InvalidOperationException($"{call}: expected status 0, found {status}");
}
