using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Gemm;

namespace MsResampler.Perf.Timing;

/// <summary>Replaces the tile of matrix products by a given one: every tile of products by warpgroups, or the large
/// tiles of mma.sync, which both compute 128 × 128 elements in a block. The arguments of a launch are the same for all
/// tiles of a family.</summary>
/// <param name="tile">The tile.</param>
/// <param name="compiler">Compiles the kernels.</param>
internal sealed class TileReplacement(GemmShape tile, KernelCompiler compiler)
{
    /// <summary>The tiles that are replaced.</summary>
    private readonly GemmShape[] _replaced = tile.Family == GemmFamily.Wgmma ? [.. GemmShape.Wgmma]
        : [GemmShape.Large, GemmShape.LargeWide];

    private readonly ConcurrentDictionary<IDeviceKernel, KernelVariant> _variants = new();

    /// <summary>Loads a kernel, or its counterpart with the given tile.</summary>
    /// <param name="device">The device.</param>
    /// <param name="kernel">The kernel that the engine asks for.</param>
    /// <param name="target">What it is compiled for.</param>
    public IDeviceKernel Load(IDevice device, CompiledKernel kernel, KernelTarget target)
    {
        if (ProductTile.VariantOf(kernel.Name) is not { } asked || ProductTile.Of(asked) is not { } askedTile
            || !_replaced.Contains(askedTile))
        {
            return device.Load(kernel);
        }

        Type[] arguments = [tile.Tile, .. asked.Kernel.GetGenericArguments()[1..]];
        KernelVariant other = KernelLibrary.All.First(variant =>
            variant.Kernel == asked.Kernel.GetGenericTypeDefinition().MakeGenericType(arguments));
        IDeviceKernel loaded = device.Load(other.Compile(compiler, target));
        _variants[loaded] = other;
        return loaded;
    }

    /// <summary>The size of a launch of a kernel that <see cref="Load"/> returned.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="size">The size for the tile of the engine's choice.</param>
    /// <param name="arguments">The arguments of the launch.</param>
    /// <param name="device">The device.</param>
    public LaunchSize SizeOf(IDeviceKernel kernel, LaunchSize size, ReadOnlySpan<byte> arguments,
        DeviceProperties device)
    {
        if (!_variants.TryGetValue(kernel, out KernelVariant? variant))
            return size;
        return tile.Family == GemmFamily.Mma ? size with { BlockSize = tile.BlockSize }
            : tile.LaunchFor(variant, ExtentOf(kernel.Kernel, arguments), device);
    }

    /// <summary>The extents in the arguments of a product by warpgroups.</summary>
    private static ProductExtent ExtentOf(CompiledKernel kernel, ReadOnlySpan<byte> arguments)
    {
        int offset = kernel.Parameters.Single(parameter => parameter.Bytes == Unsafe.SizeOf<GemmLayout>()).Offset;
        GemmLayout layout = MemoryMarshal.Read<GemmLayout>(arguments[offset..]);
        int count = MemoryMarshal.Read<int>(arguments[kernel.Parameters[^1].Offset..]);
        return new ProductExtent(count, layout.RowCount, layout.ColumnQuads * 4,
            layout.InnerVectors * (DeviceVector.Bytes / sizeof(ushort)));
    }
}
