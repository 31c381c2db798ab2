using System.Collections.Concurrent;
using MsResampler.Kernels.Gemm;

namespace MsResampler.Perf.Timing;

/// <summary>Replaces the large tile of matrix products by a given one. Both large tiles compute 128 × 128 elements in a
/// block, from the same arguments.</summary>
/// <param name="name">One of <see cref="Names"/>.</param>
/// <param name="compiler">Compiles the kernels.</param>
internal sealed class LargeTile(string name, KernelCompiler compiler)
{
    private static readonly (string Name, GemmShape Shape)[] s_tiles =
        [("128x128Wide", GemmShape.LargeWide), ("128x128", GemmShape.Large)];

    private readonly GemmShape _shape = s_tiles.First(tile => tile.Name == name).Shape;
    private readonly ConcurrentDictionary<IDeviceKernel, bool> _replaced = new();

    /// <summary>The names of the tiles.</summary>
    public static string[] Names => [.. s_tiles.Select(tile => tile.Name)];

    /// <summary>Loads a kernel, or its counterpart with the given tile.</summary>
    public IDeviceKernel Load(IDevice device, CompiledKernel kernel)
    {
        KernelVariant? asked = KernelLibrary.All.FirstOrDefault(variant => variant.Name == kernel.Name);
        if (asked is null || !asked.Kernel.IsGenericType
            || !s_tiles.Any(tile => tile.Shape.Tile == asked.Kernel.GetGenericArguments()[0]))
        {
            return device.Load(kernel);
        }

        Type[] arguments = [_shape.Tile, .. asked.Kernel.GetGenericArguments()[1..]];
        KernelVariant other = KernelLibrary.All.First(variant =>
            variant.Kernel == asked.Kernel.GetGenericTypeDefinition().MakeGenericType(arguments));
        IDeviceKernel loaded = device.Load(other.Compile(compiler, device.Properties.Target));
        _replaced[loaded] = true;
        return loaded;
    }

    /// <summary>The size of a launch of a kernel that <see cref="Load"/> returned.</summary>
    public LaunchSize SizeOf(IDeviceKernel kernel, LaunchSize size)
        => _replaced.ContainsKey(kernel) ? size with { BlockSize = _shape.BlockSize } : size;
}
