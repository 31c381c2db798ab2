using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace PtxEmulator.Tests;

/// <summary>A module with one kernel, on its own emulated GPU.</summary>
internal sealed class KernelRun : IDisposable
{
    /// <summary>The start of every module.</summary>
    public const string Header = """
        .version 7.8
        .target sm_90
        .address_size 64

        """;

    /// <summary>The start of a module with instructions that only Hopper has.</summary>
    public const string HopperHeader = """
        .version 8.0
        .target sm_90a
        .address_size 64

        """;

    private readonly PtxModule _module;

    /// <param name="text">The text of the module without the header.</param>
    /// <param name="options">The options of the GPU; null for the defaults.</param>
    /// <param name="header">The start of the module.</param>
    public KernelRun(string text, EmulatorOptions? options = null, string header = Header)
    {
        _module = PtxModule.Parse(header + text);
        Gpu = new(options ?? new());
    }

    public EmulatedGpu Gpu { get; }

    /// <summary>A new buffer with these contents.</summary>
    public ulong Buffer<T>(T[] contents, string name = "buffer")
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(contents.AsSpan());
        ulong address = Gpu.Allocate(bytes.Length, name);
        Gpu.Write(address, bytes);
        return address;
    }

    /// <summary>A new uninitialised buffer.</summary>
    public ulong Unwritten(int byteCount, string name = "buffer") => Gpu.Allocate(byteCount, name);

    public T[] Read<T>(ulong address, int count)
        where T : unmanaged
    {
        T[] values = new T[count];
        Gpu.Read(address, MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    /// <summary>The result of each thread of one block: the body computes %r from the thread index %i.</summary>
    public static int[] Results(string body, int threadCount) => Results(body, threadCount, out _);

    /// <inheritdoc cref="Results(string, int)"/>
    public static int[] Results(string body, int threadCount, out LaunchReport report)
    {
        using KernelRun run = new($$"""
            .visible .entry test(.param .u64 results)
            {
                .reg .b32 %i, %r;
                .reg .b64 %out, %offset;
                mov.u32 %i, %tid.x;
                {{body}}
                ld.param.u64 %out, [results];
                mul.wide.u32 %offset, %i, 4;
                add.u64 %out, %out, %offset;
                st.global.u32 [%out], %r;
                ret;
            }
            """);
        ulong results = run.Buffer(new int[threadCount]);
        report = run.Launch(1, threadCount, results);
        return run.Read<int>(results, threadCount);
    }

    /// <summary>Launches the only kernel of the module on a one-dimensional grid.</summary>
    public LaunchReport Launch(int blockCount, int threadCount, params object[] arguments) =>
        Launch(new Dim3(blockCount, 1, 1), new Dim3(threadCount, 1, 1), 0, arguments);

    /// <summary>Launches the only kernel of the module, as a launch that may begin before another has ended.</summary>
    public LaunchReport LaunchDependent(int blockCount, int threadCount, bool isDependent, params object[] arguments)
        => Gpu.Launch(_module, _module.Entries.Keys.Single(), new Dim3(blockCount), new Dim3(threadCount), 0,
            Packed(arguments), isDependent);

    public LaunchReport Launch(Dim3 grid, Dim3 block, int sharedBytes, params object[] arguments) => Gpu.Launch(
        _module, _module.Entries.Keys.Single(), grid, block, sharedBytes, Packed(arguments));

    public void Dispose() => Gpu.Dispose();

    /// <summary>The arguments at offsets that are multiples of their size, which is the parameter layout of the
    /// ISA.</summary>
    private static byte[] Packed(object[] arguments)
    {
        List<byte> bytes = [];
        Span<byte> value = stackalloc byte[8];
        foreach (object argument in arguments)
        {
            int size = argument is int or uint or float ? 4 : 8;
            BinaryPrimitives.WriteUInt64LittleEndian(value, argument switch
            {
                int number => (uint)number,
                uint number => number,
                long number => (ulong)number,
                ulong number => number,
                float number => BitConverter.SingleToUInt32Bits(number),
                double number => BitConverter.DoubleToUInt64Bits(number),
                _ => throw new ArgumentException($"An argument cannot be a {argument.GetType()}.", nameof(arguments)),
            });
            while (bytes.Count % size != 0)
                bytes.Add(0);
            bytes.AddRange(value[..size]);
        }
        return [.. bytes];
    }
}
