using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using PtxEmulator.Memory;

namespace PtxEmulator;

/// <summary>A device that executes PTX on the CPU and checks every access. All members are thread-safe; calls are
/// serialised.</summary>
/// <remarks>Blocks run to completion, in order if the kernel has global atomics. A block that waits for a later block
/// therefore runs into the time limit, and so does a thread that waits for another thread of its warp. The sanitizer
/// orders accesses by barriers only. Recursion and indirect calls are not supported.</remarks>
public sealed class EmulatedGpu : IDisposable
{
    private const int MaxBlockThreads = 1024;
    private const int MaxGridYZ = 65535;

    // The maximum of the largest architectures.
    private const int MaxSharedBytes = 227 * 1024;

    private readonly Lock _lock = new();
    private readonly EmulatorOptions _options;
    private readonly GlobalMemory _memory;
    private readonly GlobalAllocator _allocator;
    private readonly BlockAccesses _accesses;
    private readonly ConditionalWeakTable<PtxModule, Dictionary<Variable, ulong>> _variables = [];
    private bool _isDisposed;

    public EmulatedGpu()
        : this(new EmulatorOptions())
    {
    }

    public EmulatedGpu(EmulatorOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Workers, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MemoryBytes, 1);
        _options = options;
        _memory = new GlobalMemory(options.MemoryBytes);
        _allocator = new GlobalAllocator(_memory);
        _accesses = new BlockAccesses(options.MemoryBytes);
    }

    /// <summary>The number of allocated bytes.</summary>
    public long AllocatedBytes
    {
        get
        {
            using (Enter())
                return _allocator.AllocatedBytes;
        }
    }

    /// <summary>Allocates uninitialised memory, aligned to 256 bytes, with a guard gap on both sides.</summary>
    /// <param name="byteCount">The size; at least 1.</param>
    /// <param name="name">The name in fault messages.</param>
    /// <exception cref="InsufficientMemoryException">The device does not have enough memory.</exception>
    public ulong Allocate(long byteCount, string name = "")
    {
        using (Enter())
            return _allocator.Allocate(byteCount, name).Address;
    }

    /// <exception cref="PtxFaultException">The address is not the start of an allocation, or the allocation was
    /// freed.</exception>
    public void Free(ulong address)
    {
        using (Enter())
        {
            Allocation? allocation = _allocator.Find(address);
            if (allocation == null)
                throw HostFault(PtxFaultKind.OutOfBounds, "Free", "no allocation starts at this address", address);
            if (allocation.IsFreed)
                throw HostFault(PtxFaultKind.FreedMemory, "Free", $"{allocation} is already freed", address);
            _allocator.Free(allocation);
        }
    }

    /// <exception cref="PtxFaultException">The destination is outside all allocations or was freed.</exception>
    public void Write(ulong address, ReadOnlySpan<byte> source)
    {
        using (Enter())
        {
            if (!_memory.TryMarkWritten(address, source.Length))
                throw HostFault("Write", address, source.Length, isWrite: true);
            _memory.Write(address, source);
        }
    }

    /// <exception cref="PtxFaultException">The source is outside all allocations, was freed or is
    /// uninitialised.</exception>
    public void Read(ulong address, Span<byte> destination)
    {
        using (Enter())
        {
            if (!_memory.CanRead(address, destination.Length))
                throw HostFault("Read", address, destination.Length, isWrite: false);
            _memory.Read(address, destination);
        }
    }

    /// <summary>Runs a kernel to completion.</summary>
    /// <param name="module">The module of the kernel. Its variables live as long as this device.</param>
    /// <param name="entryName">The name of the kernel.</param>
    /// <param name="grid">The number of blocks.</param>
    /// <param name="block">The number of threads per block.</param>
    /// <param name="dynamicSharedBytes">Dynamic shared memory, in addition to the static shared memory of the
    /// kernel.</param>
    /// <param name="parameters">The bytes of the parameters, each at its offset.</param>
    /// <param name="isDependent">Whether the launch may begin before the one before it has ended: a thread must execute
    /// <c>griddepcontrol.wait</c> before it accesses global memory. The launch itself runs alone.</param>
    /// <exception cref="ArgumentException">The module does not contain the kernel, or the launch configuration is
    /// invalid.</exception>
    /// <exception cref="PtxFaultException">The kernel has a fault. Memory contains everything that was written before
    /// it.</exception>
    public unsafe LaunchReport Launch(PtxModule module, string entryName, Dim3 grid, Dim3 block,
        int dynamicSharedBytes, ReadOnlySpan<byte> parameters, bool isDependent = false)
    {
        ArgumentNullException.ThrowIfNull(module);
        if (!module.Entries.TryGetValue(entryName, out PtxEntry? entry))
            throw new ArgumentException($"The module has no kernel '{entryName}'.", nameof(entryName));
        RequireSize(grid.X >= 1 && grid.Y is >= 1 and <= MaxGridYZ && grid.Z is >= 1 and <= MaxGridYZ, nameof(grid),
            grid);
        RequireSize(block.X >= 1 && block.Y >= 1 && block.Z is >= 1 and <= 64 && block.Count <= MaxBlockThreads,
            nameof(block), block);
        ArgumentOutOfRangeException.ThrowIfNegative(dynamicSharedBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(dynamicSharedBytes, MaxSharedBytes - entry.StaticSharedBytes);
        if (parameters.Length < entry.ParameterBytes)
        {
            throw new ArgumentException($"'{entryName}' expects {entry.ParameterBytes} bytes of parameters, found "
                + $"{parameters.Length}.", nameof(parameters));
        }
        using (Enter())
        {
            fixed (byte* bytes = parameters)
            {
                var launch = new Launch(entry.Code)
                {
                    Memory = _memory,
                    Grid = grid,
                    Block = block,
                    DynamicSharedBytes = dynamicSharedBytes,
                    IsDependent = isDependent,
                    Parameters = bytes,
                    ParameterBytes = entry.ParameterBytes,
                    Options = _options,
                    Accesses = grid.Count > 1 ? _accesses : null,
                    GlobalAddresses = Load(module, entry),
                    DescribeGlobal = _allocator.Describe,
                };
                return launch.Run();
            }
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            _memory.Dispose();
            _accesses.Dispose();
        }
    }

    private Lock.Scope Enter()
    {
        Lock.Scope scope = _lock.EnterScope();
        if (!_isDisposed)
            return scope;
        scope.Dispose();
        throw new ObjectDisposedException(nameof(EmulatedGpu));
    }

    private static void RequireSize(bool isValid, string name, Dim3 size)
    {
        if (!isValid)
        {
            throw new ArgumentException($"{size} is not a valid launch size: a grid has up to {MaxGridYZ} "
                + $"blocks along y and z, a block up to {MaxBlockThreads} threads.", name);
        }
    }

    /// <summary>Allocates and initialises the global variables that an entry uses.</summary>
    private Dictionary<Variable, ulong> Load(PtxModule module, PtxEntry entry)
    {
        Dictionary<Variable, ulong> addresses = _variables.GetOrCreateValue(module);
        List<Variable> added = [.. entry.Code.GlobalVariables.Where(variable => !addresses.ContainsKey(variable))];
        foreach (Variable variable in added)
            addresses[variable] = _allocator.Allocate(Math.Max(variable.Bytes, 1), variable.Name).Address;
        foreach (Variable variable in added)
        {
            // Variables without an initialiser are zero.
            byte[] value = variable.InitialValue?.ToArray() ?? new byte[variable.Bytes];
            foreach ((int offset, Variable target, long targetOffset) in variable.Pointers)
            {
                ulong pointer = addresses.GetValueOrDefault(target) + (ulong)targetOffset;
                BinaryPrimitives.WriteUInt64LittleEndian(value.AsSpan(offset), pointer);
            }
            ulong address = addresses[variable];
            _memory.TryMarkWritten(address, value.Length);
            _memory.Write(address, value);
            if (variable.Space == StateSpace.Constant)
                _memory.MarkConstant(address, value.Length);
        }
        return addresses;
    }

    private PtxFaultException HostFault(string operation, ulong address, int byteCount, bool isWrite)
    {
        (PtxFaultKind kind, ulong at) = _memory.Explain(address, byteCount, isWrite);
        return HostFault(kind, operation, $"{(isWrite ? "write" : "read")} of {byteCount} bytes at 0x{address:x} "
            + $"({_allocator.Describe(at)})", at);
    }

    private static PtxFaultException HostFault(PtxFaultKind kind, string operation, string detail, ulong address)
        => new(kind, detail, new FaultSite(null, operation, 0, null, null, address));
}
