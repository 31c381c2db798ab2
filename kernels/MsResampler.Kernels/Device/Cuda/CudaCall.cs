using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using CudaError = ILGPU.Runtime.Cuda.CudaError;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>Interprets error codes of the driver.</summary>
internal static class CudaCall
{
    /// <summary>Whether an error is sticky: the context is lost. The driver documents that after each of these codes
    /// all further work fails the same way, until the context or the process ends.</summary>
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

    /// <summary>A message with the attempted operation, the call, the code with its name, and the description of the
    /// driver.</summary>
    public static string Describe(string call, CudaError error, string operation)
    {
        string name = CudaNative.GetErrorName(error, out nint text) == CudaError.CUDA_SUCCESS
            ? Marshal.PtrToStringUTF8(text)! : "an unknown error";
        string words = CudaNative.GetErrorString(error, out text) == CudaError.CUDA_SUCCESS
            ? $", {Marshal.PtrToStringUTF8(text)}" : "";
        return $"{operation}: {call} failed with {name} ({(int)error}){words}";
    }

    /// <summary>Throws if a call that needs no context failed.</summary>
    /// <exception cref="DeviceException">The call failed.</exception>
    public static void Check(CudaError error, string call, string operation)
    {
        if (error != CudaError.CUDA_SUCCESS)
            Throw(Describe(call, error, operation));
    }

    [DoesNotReturn]
    private static void Throw(string message) => throw new DeviceException(message);
}
