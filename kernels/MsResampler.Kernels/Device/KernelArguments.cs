using System.Diagnostics;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Compiler;

namespace MsResampler.Kernels.Device;

/// <summary>Writes a launch's arguments where the kernel expects them, one after another.</summary>
internal ref struct KernelArguments
{
    /// <summary>Room for any kernel's arguments.</summary>
    public const int MaxBytes = 256;

    private readonly Span<byte> _bytes;
    private readonly CompiledKernel _kernel;
    private int _next;

    /// <param name="bytes">Memory for them, zeroed, <see cref="MaxBytes"/> at least.</param>
    /// <param name="kernel">The kernel.</param>
    public KernelArguments(Span<byte> bytes, CompiledKernel kernel)
    {
        _bytes = bytes;
        _kernel = kernel;
    }

    /// <summary>The bytes, when all arguments are there.</summary>
    public readonly ReadOnlySpan<byte> Bytes
    {
        get
        {
            Debug.Assert(_next == _kernel.Parameters.Count, _kernel.Name);
            return _bytes[.._kernel.ParameterBytes];
        }
    }

    /// <summary>Adds views.</summary>
    public void Add(params ReadOnlySpan<DeviceView> views)
    {
        foreach (DeviceView view in views)
        {
            Span<byte> place = Next(16);
            MemoryMarshal.Write(place, view.Address);
            MemoryMarshal.Write(place[8..], view.Count);
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

    private Span<byte> Next(int byteCount)
    {
        KernelParameter parameter = _kernel.Parameters[_next++];
        Debug.Assert(parameter.Bytes == byteCount, $"{_kernel.Name}, parameter {_next - 1}");
        return _bytes.Slice(parameter.Offset, parameter.Bytes);
    }
}
