using System.Runtime.InteropServices;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Perf.Ceilings;

/// <summary>The kernels of <see cref="CeilingKernels"/> with the memory that they use.</summary>
internal sealed class DeviceScratch : IDisposable
{
    private const int TileCount = MmaCeiling<MmaFloat16>.TileCount;

    private readonly IDevice _device;
    private readonly BenchEffort _effort;
    private readonly IDeviceMemory _source;
    private readonly IDeviceMemory _destination;
    private readonly IDeviceMemory _operands;
    private readonly IDeviceMemory _sums;
    private readonly IDeviceKernel _copy;
    private readonly IDeviceKernel _empty;
    private readonly Dictionary<KernelVariant, IDeviceKernel> _products = [];

    /// <param name="device">The device; it must outlive this object.</param>
    /// <param name="compiler">Compiles the kernels.</param>
    /// <param name="effort">Sizes and step counts. A copy buffer is limited to 1/16 of the device's memory.</param>
    public DeviceScratch(IDevice device, KernelCompiler compiler, BenchEffort effort)
    {
        _device = device;
        _effort = effort;
        CopyBytes = Math.Min(effort.CopyBytes, device.Properties.MemoryBytes / 16) / DeviceVector.Bytes
            * DeviceVector.Bytes;
        _copy = Load(CeilingKernels.Copy);
        _empty = Load(CeilingKernels.Empty);
        _source = device.Allocate(CopyBytes);
        _destination = device.Allocate(CopyBytes);
        _operands = device.Allocate(Math.Max(TileCount * 32 * (16 + 8), WgmmaCeiling<MmaFloat16>.SharedBytes));
        _sums = device.Allocate((long)MmaBlocks * MmaCeiling<MmaFloat16>.BlockSize * DeviceVector.Bytes);
        foreach (KernelVariant variant in CeilingKernels.Products.Where(Supports))
            _products.Add(variant, Load(variant));

        IDeviceKernel Load(KernelVariant variant)
            => device.Load(variant.Compile(compiler, device.Properties.Target));
    }

    /// <summary>Bytes that <see cref="Copy"/> reads; it writes the same number.</summary>
    public long CopyBytes { get; }

    /// <summary>Whether the device can run a kernel.</summary>
    public bool Supports(KernelVariant variant) => variant.RunsOn(_device.Properties.Target);

    private int MmaBlocks => CeilingKernels.MmaBlockCount * _device.Properties.MultiprocessorCount;

    /// <summary>Fills the memory that the kernels read: operands of products, and zeros to copy.</summary>
    public void Fill(IDeviceStream stream)
    {
        // Random signs and fractions. Read as float16, as bfloat16 or in pairs as float32, magnitudes are between
        // 2⁻⁷ and 2: the bits change from operand to operand, as in a model, and no sum overflows.
        byte[] operands = new byte[_operands.ByteCount];
        Random random = new(1);
        foreach (ref ushort value in MemoryMarshal.Cast<byte, ushort>(operands.AsSpan()))
            value = (ushort)(0x3C00 | (random.Next(2) << 15) | random.Next(0x400));
        stream.Upload(operands, _operands);
        byte[] zeros = new byte[Math.Min(CopyBytes, 16 << 20)];
        for (long start = 0; start < CopyBytes; start += zeros.Length)
            stream.Upload(zeros.AsSpan(0, (int)Math.Min(zeros.Length, CopyBytes - start)), _source, start);
    }

    /// <summary>Copies one buffer to the other. Afterwards the second-level cache holds nothing else.</summary>
    public void Copy(IDeviceStream stream)
    {
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], _copy.Kernel);
        arguments.Add(DeviceView.Of(_source), DeviceView.Of(_destination));
        arguments.Add((int)(CopyBytes / DeviceVector.Bytes));
        stream.Launch(_copy, new LaunchSize(CeilingKernels.CopyBlockCount * _device.Properties.MultiprocessorCount, 1,
            CopyCeiling.BlockSize), arguments.Bytes);
    }

    /// <summary>Multiplies in registers on all multiprocessors.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="variant">One of <see cref="CeilingKernels"/>' products.</param>
    /// <returns>The number of floating-point operations.</returns>
    public double Multiply(IDeviceStream stream, KernelVariant variant)
        => Run(stream, variant, _effort.ProductSteps);

    /// <summary>Keeps the device busy while launches queue up. On a device with tensor cores the second-level cache
    /// keeps its content.</summary>
    public void Occupy(IDeviceStream stream)
    {
        if (Supports(CeilingKernels.Float16))
            Run(stream, CeilingKernels.Float16, _effort.BusySteps);
        else
            Copy(stream);
    }

    /// <summary>Launches <see cref="EmptyKernel"/>.</summary>
    public void LaunchEmpty(IDeviceStream stream)
    {
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], _empty.Kernel);
        arguments.Add(default(DeviceView));
        arguments.Add(0);
        stream.Launch(_empty, new LaunchSize(1, 1, 32), arguments.Bytes);
    }

    public void Dispose()
    {
        _source.Dispose();
        _destination.Dispose();
        _operands.Dispose();
        _sums.Dispose();
    }

    private double Run(IDeviceStream stream, KernelVariant variant, int stepCount)
    {
        IDeviceKernel kernel = _products[variant];
        if (variant.IsWritten)
            return RunWarpgroups(stream, kernel, stepCount);
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel.Kernel);
        const int Fragments = TileCount * 32;
        // Fragments of A, 16 bytes each, then those of B, 8 bytes each.
        DeviceView operands = DeviceView.Of(_operands);
        arguments.Add(operands.Slice(0, Fragments * 16), operands.Slice(Fragments * 16, Fragments * 8),
            DeviceView.Of(_sums));
        arguments.Add(stepCount);
        int threads = MmaCeiling<MmaFloat16>.BlockSize;
        stream.Launch(kernel, new LaunchSize(MmaBlocks, 1, threads), arguments.Bytes);
        long flops = variant == CeilingKernels.TensorFloat32 ? MmaCeiling<MmaTensorFloat32>.FlopsPerStep
            : MmaCeiling<MmaFloat16>.FlopsPerStep;
        return (double)flops * stepCount * MmaBlocks * (threads / 32);
    }

    private double RunWarpgroups(IDeviceStream stream, IDeviceKernel kernel, int stepCount)
    {
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], kernel.Kernel);
        arguments.Add(DeviceView.Of(_operands).Slice(0, WgmmaCeiling<MmaFloat16>.SharedBytes), DeviceView.Of(_sums));
        arguments.Add(stepCount);
        int blocks = CeilingKernels.WgmmaBlockCount * _device.Properties.MultiprocessorCount;
        stream.Launch(kernel, new LaunchSize(blocks, 1, WgmmaCeiling<MmaFloat16>.BlockSize,
            WgmmaCeiling<MmaFloat16>.SharedBytes), arguments.Bytes);
        return (double)WgmmaCeiling<MmaFloat16>.FlopsPerStep * stepCount * blocks;
    }
}
