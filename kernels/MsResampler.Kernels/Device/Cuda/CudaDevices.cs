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

    /// <summary>The oldest driver that accepts PTX of <see cref="Ptx.PtxVersion.Default"/>.</summary>
    private const int MinDriverVersion = 11_000;

    /// <summary>The oldest driver that accepts PTX of <see cref="Ptx.PtxVersion.Hopper"/>.</summary>
    private const int MinHopperDriverVersion = 12_000;

    /// <summary>The shared memory of a block on every GPU of sm_90.</summary>
    private const int HopperSharedBytes = 227 << 10;

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

    /// <summary>The index of a device.</summary>
    /// <param name="device">Its index, or its UUID or a start of it.</param>
    /// <exception cref="DeviceException">There is no driver; or no device, or more than one, fits the text.</exception>
    public static int Find(string device)
    {
        if (int.TryParse(device, NumberStyles.None, CultureInfo.InvariantCulture, out int index))
            return index;
        CudaDeviceInfo[] all = [.. Enumerable.Range(0, Count()).Select(Describe)];
        if (all.Length == 0)
            ThrowNone();
        CudaDeviceInfo[] found =
            [.. all.Where(info => info.Uuid.StartsWith(device, StringComparison.OrdinalIgnoreCase))];
        return found.Length == 1 ? found[0].Index : throw new DeviceException($"'{device}': expected the number of a " +
            $"CUDA device, or the start of the UUID of exactly one, found {found.Length} devices with it among " +
            $"{string.Join(", ", all.Select(info => $"{info.Index} {info.Uuid} ({info.Name})"))}{Visible()}");
    }

    /// <summary>Describes a device without creating anything on it.</summary>
    /// <exception cref="DeviceException">There is no driver, no such device, or a call failed.</exception>
    public static CudaDeviceInfo Describe(int index)
    {
        int ordinal = Ordinal(index);
        int driver = DriverVersion();
        CudaCall.Check(Api.GetDeviceName(out string? name, ordinal), "cuDeviceGetName", $"naming CUDA device {index}");
        CudaCall.Check(Api.GetTotalDeviceMemory(out long memoryBytes, ordinal), "cuDeviceTotalMem",
            $"reading the memory of CUDA device {index}");
        int architecture = (10 * Attribute(ordinal, CudaNative.ComputeCapabilityMajor)) +
            Attribute(ordinal, CudaNative.ComputeCapabilityMinor);
        string? reason = null;
        if (architecture < MinArchitecture)
            reason = $"its architecture is sm_{architecture}; sm_{MinArchitecture} or newer is needed";
        else if (driver < MinDriverVersion)
        {
            reason = $"the driver is of CUDA {Version(driver)}; {Version(MinDriverVersion)} or newer is " +
                "needed: update NVIDIA's driver";
        }
        else if (Attribute(ordinal, CudaNative.ComputeMode) == ComputeProhibited)
            reason = "its compute mode is 'prohibited'; nvidia-smi -c 0 changes that";
        return new CudaDeviceInfo(index, Uuid(ordinal, name!), name!, architecture,
            Attribute(ordinal, CudaNative.MultiprocessorCount), memoryBytes, null, Version(driver), reason);
    }

    /// <summary>What kernels need to know of a device.</summary>
    /// <param name="info">The device.</param>
    /// <exception cref="DeviceException">A call failed.</exception>
    public static DeviceProperties PropertiesOf(CudaDeviceInfo info)
    {
        int sharedBytes = Attribute(Ordinal(info.Index), CudaNative.MaxSharedBytesOptIn);
        // An older driver accepts the kernels that also run on sm_80.
        bool isHopper = info.Architecture == KernelTarget.Hopper.Architecture
            && DriverVersion() >= MinHopperDriverVersion && sharedBytes >= HopperSharedBytes;
        return new DeviceProperties(info.Name, info.Architecture, info.MultiprocessorCount, info.MemoryBytes,
            sharedBytes, isHopper);
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
            throw new DeviceException($"there is no CUDA device {index}; there {found}, counted from 0{Visible()}");
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

    private static int DriverVersion()
    {
        CudaCall.Check(Api.GetDriverVersion(out CudaDriverVersion driver), "cuDriverGetVersion", "reading the version");
        return driver.Value;
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

    private static unsafe string Uuid(int ordinal, string name)
    {
        byte* bytes = stackalloc byte[16];
        CudaCall.Check(CudaLibrary.Exports("cuDeviceGetUuid_v2") ? CudaNative.GetUuid(bytes, ordinal)
            : CudaNative.GetUuidOfGpu(bytes, ordinal), "cuDeviceGetUuid", $"the UUID of {name}");
        // The driver adds the instance to the name of the GPU, as in "NVIDIA A100-SXM4-40GB MIG 1g.5gb".
        string kind = name.Contains(" MIG ", StringComparison.Ordinal) ? "MIG" : "GPU";
        return $"{kind}-{new Guid(new ReadOnlySpan<byte>(bytes, 16), bigEndian: true)}";
    }

    /// <summary>The variable that hides devices, for a message.</summary>
    private static string Visible() => Environment.GetEnvironmentVariable(CudaCall.VisibleVariable) is { } visible
        ? $" ({CudaCall.VisibleVariable} is '{visible}')" : "";

    [DoesNotReturn]
    private static void ThrowNone()
        => throw new DeviceException($"the CUDA driver shows no device{Visible()}: {CudaCall.NoDeviceHint}");
}
