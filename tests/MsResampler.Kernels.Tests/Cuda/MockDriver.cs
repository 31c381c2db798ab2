using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using MsResampler.Cli;
using MsResampler.Cli.Ptx;
using MsResampler.Kernels.Device.Cuda;
using MsResampler.Kernels.Tests.Compiler;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>The mock CUDA driver of the folder MockDriver. It is compiled here and replaces the machine's driver in the
/// whole process.</summary>
internal static unsafe class MockDriver
{
    /// <summary>With the value 1, these tests run on a machine with a driver too; all other tests of the process then
    /// use the mock.</summary>
    private const string PreferVariable = "MSRESAMPLER_MOCK_CUDA";

    /// <summary>The environment variable with the architecture of the emulated device; else it is 80.</summary>
    private const string ArchitectureVariable = "MSRESAMPLER_MOCK_ARCHITECTURE";

    private const int LaunchFailed = 719;

    private static readonly Lazy<(nint Library, string? Missing)> s_library = new(Load);

    /// <summary>What the assembler made of a text for an architecture; the report is null without an assembler for
    /// it. Tests load the same texts hundreds of times.</summary>
    private static readonly ConcurrentDictionary<(string Ptx, int Architecture), Lazy<PtxasReport?>> s_assembled = [];
    private static BackingTable s_backing;
    private static IMockBacking? s_current;
    private static Exception? s_backingFailure;

    /// <summary>A backing that tests put behind the mock. The mock then allocates, copies and runs kernels
    /// there.</summary>
    public interface IMockBacking
    {
        ulong Allocate(long byteCount);

        void Free(ulong address);

        void Write(ulong address, ReadOnlySpan<byte> source);

        void Read(ulong address, Span<byte> destination);

        void Launch(string ptx, string entryName, (int X, int Y) grid, int blockSize, int sharedBytes,
            ReadOnlySpan<byte> arguments, bool isDependent);
    }

    /// <summary>The number of calls that broke a rule.</summary>
    public static int ViolationCount => ((delegate* unmanaged<int>)Export("mock_violations"))();

    public static string LastViolation
        => Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)Export("mock_last_violation"))())!;

    /// <summary>The first exception of the backing. The user of the driver sees a launch failure, or nothing if the
    /// operation is not a launch.</summary>
    public static Exception? BackingFailure => s_backingFailure;

    /// <summary>The number of existing contexts, allocations, streams, events, modules and graphs.</summary>
    public static int LiveCount => ((delegate* unmanaged<int, int>)Export("mock_live"))(0);

    /// <summary>The number of PTX texts that the driver compiled since the reset.</summary>
    public static int JitCount => ((delegate* unmanaged<int>)Export("mock_jits"))();

    /// <summary>The number of modules loaded since the reset.</summary>
    public static int ModuleLoadCount => ((delegate* unmanaged<int>)Export("mock_module_loads"))();

    /// <summary>The current context of this thread.</summary>
    public static ulong CurrentContext => ((delegate* unmanaged<ulong>)Export("mock_current_context"))();

    /// <summary>Whether the mock, if it is available, is the driver of this process. Tests of a real device must
    /// check this.</summary>
    public static bool IsPreferred => IsRequested || !HasDriver();

    /// <summary>Whether the environment asks for the mock.</summary>
    public static bool IsRequested => Environment.GetEnvironmentVariable(PreferVariable) == "1";

    /// <summary>Whether the mock has an emulated device that stands for a real one.</summary>
    public static bool IsEmulated { get; private set; }

    /// <summary>Puts the emulator behind the mock for the whole process.</summary>
    /// <exception cref="InvalidOperationException">The mock is not available.</exception>
    public static void Emulate()
    {
        if (s_library.Value.Missing is { } reason)
            throw new InvalidOperationException(reason);
        Reset();
        int architecture = int.TryParse(Environment.GetEnvironmentVariable(ArchitectureVariable), out int given)
            ? given : 80;
        SetDevice(0, "Mock GPU", architecture, multiprocessorCount: 1, memoryBytes: 1L << 30);
        Attach(new EmulatedBacking());
        IsEmulated = true;
    }

    /// <summary>Skips the test if the mock is not available.</summary>
    public static void Require()
        => Skip.If(s_library.Value.Missing is not null, s_library.Value.Missing ?? "");

    /// <summary>Resets the mock to one idle device, no failures and an empty log.</summary>
    public static void Reset()
    {
        s_current = null;
        s_backingFailure = null;
        ((delegate* unmanaged<void>)Export("mock_reset"))();
    }

    public static void SetDriver(int version, int deviceCount)
        => ((delegate* unmanaged<int, int, void>)Export("mock_set_driver"))(version, deviceCount);

    public static void SetDevice(int index, string name, int architecture = 80, int multiprocessorCount = 108,
        int computeMode = 0, long memoryBytes = 1L << 34)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(name + "\0"))
        {
            ((delegate* unmanaged<int, byte*, int, int, int, long, void>)Export("mock_set_device"))(index, text,
                architecture, multiprocessorCount, computeMode, memoryBytes);
        }
    }

    /// <summary>Sets the shared memory that a block can have, in place of that of the architecture.</summary>
    public static void SetShared(int index, int bytes)
        => ((delegate* unmanaged<int, int, void>)Export("mock_set_shared"))(index, bytes);

    /// <summary>Sets the UUID of a device. Its bytes are in the order in which nvidia-smi prints them.</summary>
    public static void SetUuid(int index, ReadOnlySpan<byte> uuid)
    {
        Assert.That(uuid.Length, Is.EqualTo(16));
        fixed (byte* bytes = uuid)
            ((delegate* unmanaged<int, byte*, void>)Export("mock_set_uuid"))(index, bytes);
    }

    /// <summary>Sets the time that compiling a PTX text takes, during which other calls continue, or removes the
    /// driver's compiler.</summary>
    public static void SetJit(int milliseconds = 0, bool isMissing = false)
        => ((delegate* unmanaged<int, int, void>)Export("mock_set_jit"))(milliseconds, isMissing ? 1 : 0);

    /// <summary>Makes the n-th use of a call from now on fail; a sticky failure ends the context.</summary>
    public static void Fail(string call, int code, int nth = 1, bool isSticky = false)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(call + "\0"))
            ((delegate* unmanaged<byte*, int, int, int, void>)Export("mock_fail"))(text, nth, code, isSticky ? 1 : 0);
    }

    /// <summary>Permits the calls that ILGPU makes when it creates an accelerator of its own.</summary>
    public static void ServeIlgpu() => ((delegate* unmanaged<void>)Export("mock_serve_ilgpu"))();

    /// <summary>The log of all calls.</summary>
    public static string[] Log()
    {
        delegate* unmanaged<byte*, nuint, nuint> log = (delegate* unmanaged<byte*, nuint, nuint>)Export("mock_log");
        byte[] text = new byte[(int)log(null, 0)];
        fixed (byte* start = text)
            log(start, (nuint)text.Length);
        return Encoding.UTF8.GetString(text).Split(['\n', '\0'], StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>The logged calls of one function.</summary>
    public static string[] Log(string call) => [.. Log().Where(line => line.Split(' ')[0] == call)];

    /// <summary>Puts a backing behind the mock until the next reset.</summary>
    public static void Attach(IMockBacking backing)
    {
        s_current = backing;
        s_backing = new BackingTable
        {
            Allocate = &Allocate,
            Free = &Free,
            Write = &Write,
            Read = &Read,
            Launch = &Launch,
        };
        fixed (BackingTable* table = &s_backing)
            ((delegate* unmanaged<BackingTable*, void>)Export("mock_attach"))(table);
    }

    /// <summary>The address of a function of the mock, for calls that the library does not make.</summary>
    public static nint Export(string name) => NativeLibrary.GetExport(s_library.Value.Library, name);

    private static (nint Library, string? Missing) Load()
    {
        if (!OperatingSystem.IsLinux())
            return (0, "the mock driver is for Linux");
        if (!IsPreferred)
            return (0, $"this machine has a CUDA driver; {PreferVariable}=1 tests with the mock instead");

        string path = Path.Combine(Directory.CreateTempSubdirectory("mock-libcuda-").FullName, "libcuda-mock.so");
        if (Compile(path) is { } reason)
            return (0, reason);
        Environment.SetEnvironmentVariable(CudaLibrary.PathVariable, path);
        nint library = NativeLibrary.Load(path);
        ((delegate* unmanaged<delegate* unmanaged<byte*, int, Resources*, byte*, int, int>, void>)
            NativeLibrary.GetExport(library, "mock_set_assembler"))(&Assemble);
        // The file is not needed once the process has loaded it.
        CudaLibrary.IsAvailable(out _);
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
        return (library, null);
    }

    private static bool HasDriver()
    {
        if (!NativeLibrary.TryLoad("libcuda.so.1", out nint driver))
            return false;
        NativeLibrary.Free(driver);
        return true;
    }

    /// <summary>Builds the mock with the first compiler that can build a program; a compiler without the headers of
    /// the C library cannot.</summary>
    /// <returns>The reason why there is no such compiler, or null.</returns>
    private static string? Compile(string path)
    {
        string probe = Path.ChangeExtension(path, ".c");
        File.WriteAllText(probe, "#include <pthread.h>\n#include <stdlib.h>\nint probe(void) { return 0; }\n");
        string[] sources = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "MockDriver"), "*.c");
        List<string> reasons = [];
        foreach (string compiler in (ReadOnlySpan<string>)["cc", "gcc", "clang"])
        {
            try
            {
                if (Errors(compiler, [probe]) is { } reason)
                {
                    reasons.Add($"{compiler}: {reason.Split('\n')[0]}");
                    continue;
                }

                Assert.That(Errors(compiler, sources), Is.Null);
                return null;
            }
            catch (Win32Exception)
            {
                reasons.Add($"{compiler}: not found");
            }
        }

        return $"There is no C compiler to build the mock CUDA driver with ({string.Join("; ", reasons)}).";

        string? Errors(string compiler, string[] files)
        {
            using Process process = Process.Start(new ProcessStartInfo(compiler,
                ["-Wall", "-O1", "-shared", "-fPIC", "-pthread", "-o", path, .. files])
            {
                RedirectStandardError = true,
            })!;
            string errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? null : errors;
        }
    }

    /// <summary>Catches exceptions, which must not pass through native code.</summary>
    private static bool Succeeds(Action action)
    {
        try
        {
            action();
            return true;
        }
        catch (Exception exception)
        {
            s_backingFailure ??= exception;
            return false;
        }
    }

    [UnmanagedCallersOnly]
    private static ulong Allocate(nuint byteCount)
    {
        ulong address = 0;
        Succeeds(() => address = s_current!.Allocate((long)byteCount));
        return address;
    }

    [UnmanagedCallersOnly]
    private static void Free(ulong address) => Succeeds(() => s_current?.Free(address));

    [UnmanagedCallersOnly]
    private static void Write(ulong address, byte* source, nuint byteCount)
        => Succeeds(() => s_current!.Write(address, new ReadOnlySpan<byte>(source, (int)byteCount)));

    [UnmanagedCallersOnly]
    private static void Read(byte* destination, ulong address, nuint byteCount)
        => Succeeds(() => s_current!.Read(address, new Span<byte>(destination, (int)byteCount)));

    [UnmanagedCallersOnly]
    private static int Launch(byte* ptx, byte* entryName, int* grid, int* block, int sharedBytes, byte* arguments,
        nuint byteCount, int isDependent)
        => Succeeds(() => s_current!.Launch(Marshal.PtrToStringUTF8((nint)ptx)!,
            Marshal.PtrToStringUTF8((nint)entryName)!, (grid[0], grid[1]), block[0], sharedBytes,
            new ReadOnlySpan<byte>(arguments, (int)byteCount), isDependent != 0)) ? 0 : LaunchFailed;

    /// <returns>1 with the resources, 0 with the assembler's message, or -1 without an assembler.</returns>
    [UnmanagedCallersOnly]
    private static int Assemble(byte* ptx, int architecture, Resources* resources, byte* message, int capacity)
    {
        try
        {
            PtxasReport? report = s_assembled.GetOrAdd((Marshal.PtrToStringUTF8((nint)ptx)!, architecture), key =>
                new Lazy<PtxasReport?>(() => Ptxas.TryLoad(key.Ptx, key.Architecture))).Value;
            if (report is null)
                return -1;
            *resources = new Resources(report.Registers, report.SharedBytes, report.StackBytes);
            return 1;
        }
        catch (InputException exception)
        {
            byte[] text = Encoding.UTF8.GetBytes(exception.Message[..Math.Min(exception.Message.Length, capacity / 4)]);
            text.CopyTo(new Span<byte>(message, capacity));
            message[text.Length] = 0;
            return 0;
        }
    }

    /// <summary>The resources of a kernel; see resources_t.</summary>
    private record struct Resources(int Registers, int Shared, int Local);

    private struct BackingTable
    {
        public delegate* unmanaged<nuint, ulong> Allocate;
        public delegate* unmanaged<ulong, void> Free;
        public delegate* unmanaged<ulong, byte*, nuint, void> Write;
        public delegate* unmanaged<byte*, ulong, nuint, void> Read;
        public delegate* unmanaged<byte*, byte*, int*, int*, int, byte*, nuint, int, int> Launch;
    }
}
