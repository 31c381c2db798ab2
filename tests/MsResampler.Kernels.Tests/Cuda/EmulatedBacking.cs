using PtxEmulator;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Puts the PTX emulator behind the mock driver: it provides the device memory and runs the
/// launches.</summary>
internal sealed class EmulatedBacking : MockDriver.IMockBacking, IDisposable
{
    private readonly EmulatedGpu _gpu = new();
    private readonly Dictionary<string, PtxModule> _modules = [];

    /// <summary>The number of kernels that ran.</summary>
    public int LaunchCount { get; private set; }

    public ulong Allocate(long byteCount) => _gpu.Allocate(byteCount);

    public void Free(ulong address) => _gpu.Free(address);

    public void Write(ulong address, ReadOnlySpan<byte> source) => _gpu.Write(address, source);

    public void Read(ulong address, Span<byte> destination) => _gpu.Read(address, destination);

    public void Launch(string ptx, string entryName, (int X, int Y) grid, int blockSize, int sharedBytes,
        ReadOnlySpan<byte> arguments, bool isDependent)
    {
        if (!_modules.TryGetValue(ptx, out PtxModule? module))
            _modules.Add(ptx, module = PtxModule.Parse(ptx));
        _gpu.Launch(module, entryName, new Dim3(grid.X, grid.Y), new Dim3(blockSize), sharedBytes, arguments,
            isDependent);
        LaunchCount++;
    }

    public void Dispose() => _gpu.Dispose();
}
