using PtxEmulator;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Puts the PTX emulator behind the mock driver: its memory is the device's memory, and it runs what is
/// launched.</summary>
internal sealed class EmulatedBacking : MockDriver.IMockBacking, IDisposable
{
    private const int LaunchFailed = 719;

    private readonly EmulatedGpu _gpu = new();
    private readonly Dictionary<string, PtxModule> _modules = [];

    /// <summary>Why a launch failed; exceptions cannot pass through the driver.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Kernels that ran.</summary>
    public int LaunchCount { get; private set; }

    public ulong Allocate(long byteCount)
    {
        try
        {
            return _gpu.Allocate(byteCount);
        }
        catch (InsufficientMemoryException)
        {
            return 0;
        }
    }

    public void Free(ulong address) => _gpu.Free(address);

    public void Write(ulong address, ReadOnlySpan<byte> source) => _gpu.Write(address, source);

    public void Read(ulong address, Span<byte> destination)
    {
        try
        {
            _gpu.Read(address, destination);
        }
        catch (PtxFaultException exception)
        {
            Failure ??= exception;
        }
    }

    public int Launch(string ptx, string entryName, (int X, int Y) grid, int groupSize, int sharedBytes,
        ReadOnlySpan<byte> arguments)
    {
        try
        {
            if (!_modules.TryGetValue(ptx, out PtxModule? module))
                _modules.Add(ptx, module = PtxModule.Parse(ptx));
            _gpu.Launch(module, entryName, new Dim3(grid.X, grid.Y), new Dim3(groupSize), sharedBytes, arguments);
            LaunchCount++;
            return 0;
        }
        catch (Exception exception) when (exception is PtxFaultException or PtxParseException)
        {
            Failure ??= exception;
            return LaunchFailed;
        }
    }

    public void Dispose() => _gpu.Dispose();
}
