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

    /// <summary>The environment variable that selects and orders the devices.</summary>
    public const string VisibleVariable = "CUDA_VISIBLE_DEVICES";

    /// <summary>What to do if there is no device.</summary>
    public const string NoDeviceHint = "see what nvidia-smi -L lists; " + VisibleVariable + " must be unset or name " +
        "some of these; a container needs the option --gpus all; a GPU in MIG mode needs an instance";

    /// <summary>A message with the attempted operation, the call, the code with its name, the description of the
    /// driver, and what to do.</summary>
    public static string Describe(string call, CudaError error, string operation)
    {
        string name = CudaNative.GetErrorName(error, out nint value) == CudaError.CUDA_SUCCESS
            ? Marshal.PtrToStringUTF8(value)! : "an unknown error";
        string words = CudaNative.GetErrorString(error, out value) == CudaError.CUDA_SUCCESS
            ? $", {Marshal.PtrToStringUTF8(value)}" : "";
        string hint = HintOf(error) is { } text ? $"; {text}" : "";
        return $"{operation}: {call} failed with {name} ({(int)error}){words}{hint}";
    }

    /// <summary>What to do about an error of the installation; null for other errors.</summary>
    private static string? HintOf(CudaError error) => (int)error switch
    {
        3 or 999 => "see whether nvidia-smi works and this process may open /dev/nvidia*; if not, restart the machine",
        34 => "this is the stub of the CUDA toolkit: take its folder out of LD_LIBRARY_PATH",
        35 or 222 => "the driver is too old: update NVIDIA's driver",
        100 or 101 => NoDeviceHint,
        221 => "the driver's compiler libnvidia-ptxjitcompiler is missing: start the container with " +
            "NVIDIA_DRIVER_CAPABILITIES=compute,utility, or install the whole driver",
        802 => "start NVIDIA's fabric manager",
        803 => "the library and the kernel module of the driver have different versions: restart the machine",
        804 => "a compatibility package of CUDA does not support this GPU: take its folder out of LD_LIBRARY_PATH",
        _ => null,
    };

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
