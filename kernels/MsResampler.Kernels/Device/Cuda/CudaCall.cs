using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>What the driver's error codes mean.</summary>
internal static class CudaCall
{
    /// <summary>Whether a context is of no more use: the driver documents of each of these codes that further work fails
    /// the same way until the process, or at least the context, is gone.</summary>
    public static bool EndsContext(CudaError error) => (int)error is
        4        // the driver is shutting down
        or 214   // uncorrectable memory error
        or 220   // uncorrectable NVLink error
        or 226   // contained memory error
        or 700   // illegal address
        or 702   // launch timeout
        or 709   // the context was destroyed
        or 710   // device-side assertion
        or >= 714 and <= 719; // hardware stack, instruction, misaligned address, address space, counter, launch failure

    /// <summary>One sentence: the call, the code and its name, the driver's words, what was asked.</summary>
    public static string Describe(string call, CudaError error, string asked)
    {
        string name = CudaNative.GetErrorName(error, out nint text) == CudaError.CUDA_SUCCESS
            ? Marshal.PtrToStringUTF8(text)! : "an unknown error";
        string words = CudaNative.GetErrorString(error, out text) == CudaError.CUDA_SUCCESS
            ? $", {Marshal.PtrToStringUTF8(text)}" : "";
        return $"{asked}: {call} failed with {name} ({(int)error}){words}";
    }

    /// <summary>Fails unless a call that needs no context succeeded.</summary>
    /// <exception cref="DeviceException">It did not.</exception>
    public static void Check(CudaError error, string call, string asked)
    {
        if (error != CudaError.CUDA_SUCCESS)
            Throw(Describe(call, error, asked));
    }

    [DoesNotReturn]
    private static void Throw(string message) => throw new DeviceException(message);
}
