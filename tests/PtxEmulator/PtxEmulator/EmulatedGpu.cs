namespace PtxEmulator;

/// <summary>A device that runs PTX on the CPU and checks what it does. Its members may be called from many threads;
/// launches of one device run one after the other.</summary>
public sealed class EmulatedGpu : IDisposable
{
    private readonly EmulatorOptions _options;

    public EmulatedGpu()
        : this(new EmulatorOptions())
    {
    }

    public EmulatedGpu(EmulatorOptions options) => _options = options;

    /// <summary>Bytes allocated and not freed.</summary>
    public long AllocatedBytes => throw new NotImplementedException(_options.ToString());

    /// <summary>Allocates memory that nobody has written, aligned to 256 bytes, with a guard gap on both sides.</summary>
    /// <param name="byteCount">Its size; at least 1.</param>
    /// <param name="name">What faults call it.</param>
    /// <exception cref="InsufficientMemoryException">The device has not so much memory.</exception>
    public ulong Allocate(long byteCount, string name = "") => throw new NotImplementedException();

    /// <exception cref="PtxFaultException">The address is not of an allocation, or was freed.</exception>
    public void Free(ulong address) => throw new NotImplementedException();

    /// <exception cref="PtxFaultException">The destination is outside an allocation or freed.</exception>
    public void Write(ulong address, ReadOnlySpan<byte> source) => throw new NotImplementedException();

    /// <exception cref="PtxFaultException">The source is outside an allocation, freed, or was never written.</exception>
    public void Read(ulong address, Span<byte> destination) => throw new NotImplementedException();

    /// <summary>Runs a kernel to its end.</summary>
    /// <param name="module">Whose kernel; its variables live as long as this device.</param>
    /// <param name="entryName">The kernel's name.</param>
    /// <param name="grid">Blocks.</param>
    /// <param name="block">Threads of a block.</param>
    /// <param name="dynamicSharedBytes">Shared memory beside what the kernel declares.</param>
    /// <param name="parameters">The parameters' bytes, each at its offset.</param>
    /// <exception cref="PtxFaultException">The kernel did something forbidden. Memory holds what it wrote until then.
    /// </exception>
    public LaunchReport Launch(PtxModule module, string entryName, Dim3 grid, Dim3 block, int dynamicSharedBytes,
        ReadOnlySpan<byte> parameters) => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}
