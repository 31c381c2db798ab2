using System.Diagnostics;
using System.Runtime.InteropServices;

namespace MsResampler.Kernels.Device;

/// <summary>Writes the arguments of a launch to the offsets of the kernel's parameters, in the parameters' order.
/// </summary>
internal ref struct KernelArguments
{
    /// <summary>The size of the largest parameter block of any kernel.</summary>
    public const int MaxBytes = 256;

    private readonly Span<byte> _bytes;
    private readonly CompiledKernel _kernel;
    private int _next;

    /// <param name="bytes">Zeroed memory of at least <see cref="MaxBytes"/> bytes.</param>
    /// <param name="kernel">The kernel.</param>
    public KernelArguments(Span<byte> bytes, CompiledKernel kernel)
    {
        _bytes = bytes;
        _kernel = kernel;
    }

    /// <summary>The argument bytes. Every argument must have been added.</summary>
    public readonly ReadOnlySpan<byte> Bytes
    {
        get
        {
            Debug.Assert(_next == _kernel.Parameters.Count, _kernel.Name);
            return _bytes[.._kernel.ParameterBytes];
        }
    }

    /// <summary>Adds views, each as an address and a number of elements of the parameter's type.</summary>
    public void Add(params ReadOnlySpan<DeviceView> views)
    {
        foreach (DeviceView view in views)
        {
            int elementBytes = _kernel.Parameters[_next].ElementBytes;
            Debug.Assert(view.ByteCount % elementBytes == 0, $"{_kernel.Name}, parameter {_next}");
            Span<byte> place = Next(16);
            MemoryMarshal.Write(place, view.Address);
            MemoryMarshal.Write(place[8..], view.ByteCount / elementBytes);
        }
    }

    /// <summary>Adds integers.</summary>
    public void Add(params ReadOnlySpan<int> values)
    {
        foreach (int value in values)
            MemoryMarshal.Write(Next(sizeof(int)), value);
    }

    /// <summary>Adds a float.</summary>
    public void Add(float value) => MemoryMarshal.Write(Next(sizeof(float)), value);

    /// <summary>Adds a structure, whose fields the kernel reads at the same offsets as the host.</summary>
    public void Add<T>(in T value)
        where T : unmanaged => MemoryMarshal.Write(Next(System.Runtime.CompilerServices.Unsafe.SizeOf<T>()), value);

    private Span<byte> Next(int byteCount)
    {
        KernelParameter parameter = _kernel.Parameters[_next++];
        Debug.Assert(parameter.Bytes == byteCount, $"{_kernel.Name}, parameter {_next - 1}");
        return _bytes.Slice(parameter.Offset, parameter.Bytes);
    }
}
