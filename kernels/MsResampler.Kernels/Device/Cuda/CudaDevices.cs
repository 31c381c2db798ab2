using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using CudaAPI = ILGPU.Runtime.Cuda.CudaAPI;
using CudaDriverVersion = ILGPU.Runtime.Cuda.CudaDriverVersion;

namespace MsResampler.Kernels.Device.Cuda;

/// <summary>The devices that are visible to this process.</summary>
internal static class CudaDevices
{
    /// <summary>The oldest architecture that has all instructions of the kernels.</summary>
    private const int MinArchitecture = 60;

    /// <summary>The oldest driver that accepts PTX of <see cref="Compiler.PtxVersion.Default"/>.</summary>
    private const int MinDriverVersion = 11_000;

    /// <summary>CU_COMPUTEMODE_PROHIBITED.</summary>
    private const int ComputeProhibited = 2;

    /// <summary>CU_COMPUTEMODE_EXCLUSIVE_PROCESS.</summary>
    private const int ComputeExclusive = 3;

    private static CudaAPI Api => CudaLibrary.Api;

    /// <summary>Lists all devices; each is opened once to find out whether it can be used.</summary>
    /// <exception cref="DeviceException">There is no driver, or a call failed.</exception>
    public static IReadOnlyList<CudaDeviceInfo> List()
        => [.. Enumerable.Range(0, Count()).Select(Describe)
            .Select(info => info.UnusableBecause is null ? Try(info) : info)];

    /// <summary>Opens the first usable device.</summary>
    /// <param name="cache">The cache of machine code; null to compile PTX every time.</param>
    /// <exception cref="DeviceException">No device is usable; the message gives the reasons.</exception>
    public static CudaDevice OpenFirst(KernelCache? cache = null)
    {
        int count = Count();
        if (count == 0)
            ThrowNone();
        List<string> reasons = [];
        for (int index = 0; index < count; index++)
        {
            try
            {
                return new CudaDevice(index, cache);
            }
            catch (DeviceException exception)
            {
                reasons.Add(exception.Message);
            }
        }

        throw new DeviceException($"no CUDA device can be used. {string.Join("; ", reasons)}");
    }

    /// <summary>Describes a device without creating anything on it.</summary>
    /// <exception cref="DeviceException">There is no driver, no such device, or a call failed.</exception>
    public static CudaDeviceInfo Describe(int index)
    {
        int ordinal = Ordinal(index);
        CudaCall.Check(Api.GetDriverVersion(out CudaDriverVersion driver), "cuDriverGetVersion", "reading the version");
        CudaCall.Check(Api.GetDeviceName(out string? name, ordinal), "cuDeviceGetName", $"naming CUDA device {index}");
        CudaCall.Check(Api.GetTotalDeviceMemory(out long memoryBytes, ordinal), "cuDeviceTotalMem",
            $"reading the memory of CUDA device {index}");
        int architecture = (10 * Attribute(ordinal, CudaNative.ComputeCapabilityMajor)) +
            Attribute(ordinal, CudaNative.ComputeCapabilityMinor);
        string? reason = null;
        if (architecture < MinArchitecture)
            reason = $"its architecture is sm_{architecture}; sm_{MinArchitecture} or newer is needed";
        else if (driver.Value < MinDriverVersion)
            reason = $"the driver is of CUDA {Version(driver.Value)}; {Version(MinDriverVersion)} or newer is needed";
        else if (Attribute(ordinal, CudaNative.ComputeMode) == ComputeProhibited)
            reason = "its compute mode is 'prohibited'; nvidia-smi -c 0 changes that";
        return new CudaDeviceInfo(index, name!, architecture, Attribute(ordinal, CudaNative.MultiprocessorCount),
            memoryBytes, null, Version(driver.Value), reason);
    }

    /// <summary>The driver's handle of a device.</summary>
    /// <exception cref="DeviceException">There is no driver or no such device.</exception>
    public static int Ordinal(int index)
    {
        int count = Count();
        if (count == 0)
            ThrowNone();
        if (index < 0 || index >= count)
        {
            string found = count == 1 ? "is 1" : $"are {count}";
            throw new DeviceException($"there is no CUDA device {index}; there {found}, counted from 0");
        }

        CudaCall.Check(Api.GetDevice(out int ordinal, index), "cuDeviceGet", $"CUDA device {index}");
        return ordinal;
    }

    /// <summary>The index of the device with a handle.</summary>
    /// <exception cref="DeviceException">There is no such device.</exception>
    public static int IndexOf(int ordinal)
    {
        int index = Enumerable.Range(0, Count()).FirstOrDefault(index => Ordinal(index) == ordinal, -1);
        return index >= 0 ? index
            : throw new DeviceException($"the CUDA driver shows no device with the handle {ordinal}");
    }

    /// <summary>Whether a device is in exclusive mode: only one process at a time may use it.</summary>
    public static bool IsExclusive(int ordinal) => Attribute(ordinal, CudaNative.ComputeMode) == ComputeExclusive;

    /// <summary>Reads an attribute of a device.</summary>
    public static int Attribute(int ordinal, int attribute)
    {
        CudaCall.Check(CudaNative.GetDeviceAttribute(out int value, attribute, ordinal), "cuDeviceGetAttribute",
            $"attribute {attribute} of a device");
        return value;
    }

    /// <summary>The number of devices.</summary>
    /// <exception cref="DeviceException">There is no driver, or a call failed.</exception>
    private static int Count()
    {
        CudaLibrary.Require();
        CudaCall.Check(Api.GetDeviceCount(out int count), "cuDeviceGetCount", "counting devices");
        return count;
    }

    private static CudaDeviceInfo Try(CudaDeviceInfo info)
    {
        try
        {
            using CudaDevice device = new(info.Index);
            return info with { FreeBytes = device.GetFreeBytes() };
        }
        catch (DeviceException exception)
        {
            return info with { UnusableBecause = exception.Message };
        }
    }

    private static string Version(int value)
        => string.Create(CultureInfo.InvariantCulture, $"{value / 1000}.{value % 1000 / 10}");

    [DoesNotReturn]
    private static void ThrowNone() => throw new DeviceException("the CUDA driver shows no device" +
        (Environment.GetEnvironmentVariable("CUDA_VISIBLE_DEVICES") is { } visible
            ? $" (CUDA_VISIBLE_DEVICES is '{visible}')" : ""));
}
