using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Device.Cuda;

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

    private const int CallCount = 20;

    private static readonly string[] s_names =
        ["libcublas.so.13", "libcublas.so.12", "libcublas.so.11", "libcublas.so"];

    private readonly CudaDevice _device;
    private readonly IDeviceStream _stream;
    private readonly nint _library;
    private readonly nint _handle;

    private CublasPeer(CudaDevice device, nint library)
    {
        _device = device;
        _library = library;
        _stream = device.CreateStream();
        using CudaContext.Scope scope = device.Context.Enter();
        nint handle;
        Check(((delegate* unmanaged<nint*, int>)Export("cublasCreate_v2"))(&handle), "cublasCreate");
        _handle = handle;
        int version;
        Check(((delegate* unmanaged<nint, int*, int>)Export("cublasGetVersion_v2"))(handle, &version),
            "cublasGetVersion");
        Version = version;
    }

    /// <summary>The library's version, such as 120500.</summary>
    public int Version { get; }

    /// <summary>Opens the library on a device.</summary>
    /// <param name="device">The device; it must outlive the result.</param>
    /// <param name="reason">The reason why the library cannot be used, or null.</param>
    public static CublasPeer? TryOpen(CudaDevice device, out string? reason)
    {
        string? given = Environment.GetEnvironmentVariable(PathVariable);
        foreach (string name in given is null ? s_names : [given])
        {
            if (!NativeLibrary.TryLoad(name, out nint library))
                continue;
            try
            {
                reason = null;
                return new CublasPeer(device, library);
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

    /// <summary>The median milliseconds of products, with a warm cache.</summary>
    /// <param name="product">The products; they run one after another.</param>
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
        using IDeviceMemory a = Random((long)product.Count * product.Rows * product.Inner * bytes);
        using IDeviceMemory w = Random((long)product.Count * product.Columns * product.Inner * bytes);
        using IDeviceMemory c = _device.Allocate((long)product.Count * product.Rows * product.Columns * bytes);
        using IDeviceTimer timer = _stream.CreateTimer()!;
        using CudaContext.Scope scope = _device.Context.Enter();
        nint multiply = Export("cublasGemmEx");
        Time();
        return Spread.Of(Enumerable.Range(0, 5).Select(_ => Time())).Median;

        // cuBLAS runs on the NULL stream, and the timer on its own stream: each waits for the other.
        double Time()
        {
            timer.Start();
            _stream.Release(0);
            for (int call = 0; call < CallCount; call++)
                for (int index = 0; index < product.Count; index++)
                    Multiply(index);
            _stream.WaitFor(0);
            timer.Stop();
            return timer.GetMilliseconds() / CallCount;
        }

        // cuBLAS is column-major: the row-major product C = A·Wᵀ is Cᵀ = W·Aᵀ there.
        void Multiply(int index)
        {
            float one = 1, zero = 0;
            Check(((delegate* unmanaged<nint, int, int, int, int, int, float*, ulong, int, int, ulong, int, int, float*,
                ulong, int, int, int, int, int>)multiply)(_handle, Transposed, AsIs, product.Columns, product.Rows,
                product.Inner, &one, Part(w, product.Columns * (long)product.Inner), type, product.Inner,
                Part(a, product.Rows * (long)product.Inner), type, product.Inner, &zero,
                Part(c, product.Rows * (long)product.Columns), type, product.Columns, compute, DefaultAlgorithm),
                "cublasGemmEx");

            ulong Part(IDeviceMemory memory, long elements) => memory.Address + (ulong)(index * elements * bytes);
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
