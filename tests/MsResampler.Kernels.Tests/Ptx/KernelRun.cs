using System.Reflection;
using System.Runtime.InteropServices;
using PtxEmulator;

namespace MsResampler.Kernels.Tests.Ptx;

/// <summary>Runs a kernel on a new emulated GPU. Arrays become views (the same array, the same view) and contain the
/// kernel's output afterwards; an empty array becomes an empty view.</summary>
internal static unsafe class KernelRun
{
    /// <summary>Compiles a kernel with the compiler pipeline of the project and runs it.</summary>
    public static LaunchReport Run(KernelCompiler compiler, MethodInfo kernel, int blockCount, int blockSize,
        params object[] arguments) =>
        Run(compiler.Compile(kernel, kernel.Name, 80), blockCount, blockSize, seed: 0, arguments);

    /// <summary>Runs a compiled kernel.</summary>
    public static LaunchReport Run(CompiledKernel kernel, int blockCount, int blockSize, ulong seed,
        params object[] arguments) => Run(kernel, new LaunchSize(blockCount, 1, blockSize), seed, arguments);

    /// <summary>Runs a compiled kernel that may have dynamic shared memory.</summary>
    public static LaunchReport Run(CompiledKernel kernel, LaunchSize size, ulong seed, params object[] arguments)
    {
        using var gpu = new EmulatedGpu(new EmulatorOptions { Seed = seed, MemoryBytes = 1 << 24 });
        byte[] parameters = new byte[kernel.ParameterBytes];
        var views = new Dictionary<Array, ulong>();
        for (int i = 0; i < arguments.Length; i++)
        {
            Span<byte> parameter = parameters.AsSpan(kernel.Parameters[i].Offset, kernel.Parameters[i].Bytes);
            if (arguments[i] is Array { Length: 0 })
                continue;
            if (arguments[i] is Array array)
            {
                if (!views.TryGetValue(array, out ulong address))
                {
                    Span<byte> content = Bytes(array);
                    address = gpu.Allocate(content.Length, $"argument {i}");
                    gpu.Write(address, content);
                    views.Add(array, address);
                }

                MemoryMarshal.Write(parameter, address);
                MemoryMarshal.Write(parameter[8..], (long)array.Length);
            }
            else
            {
                fixed (byte* start = parameter)
                    Marshal.StructureToPtr(arguments[i], (nint)start, fDeleteOld: false);
            }
        }

        LaunchReport report = gpu.Launch(PtxModule.Parse(kernel.Ptx), kernel.EntryName,
            new Dim3(size.GridX, size.GridY), new Dim3(size.BlockSize), size.DynamicSharedBytes, parameters);
        foreach ((Array array, ulong address) in views)
            gpu.Read(address, Bytes(array));
        return report;
    }

    private static Span<byte> Bytes(Array array) => MemoryMarshal.CreateSpan(
        ref MemoryMarshal.GetArrayDataReference(array),
        array.Length * Marshal.SizeOf(array.GetType().GetElementType()!));
}
