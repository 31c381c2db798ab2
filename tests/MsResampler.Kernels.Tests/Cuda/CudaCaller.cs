using System.Runtime.InteropServices;
using MsResampler.Kernels.Device.Cuda;

namespace MsResampler.Kernels.Tests.Cuda;

/// <summary>Another user of the primary context, with device memory and a stream.</summary>
internal sealed unsafe class CudaCaller : IDisposable
{
    private readonly int _ordinal = CudaDevices.Ordinal(0);
    private readonly List<nint> _deviceMemory = [];
    private readonly List<nint> _hostMemory = [];
    private readonly nint _context;

    public CudaCaller()
    {
        CudaNative.RetainPrimaryContext(out _context, _ordinal);
        Within(() =>
        {
            CudaNative.CreateStream(out nint stream, CudaNative.NonBlockingStream);
            Stream = stream;
        });
    }

    public nint Stream { get; private set; }

    public ulong Allocate(long byteCount)
    {
        Within(() =>
        {
            CudaLibrary.Api.AllocateMemory(out nint memory, (nint)byteCount);
            _deviceMemory.Add(memory);
        });
        return (ulong)_deviceMemory[^1];
    }

    /// <summary>Enqueues a write.</summary>
    public void Write(ulong address, byte[] bytes) => Within(() =>
    {
        nint host = AllocateHost(bytes.Length);
        Marshal.Copy(bytes, 0, host, bytes.Length);
        CudaNative.CopyToDevice(address, (void*)host, (nuint)bytes.Length, Stream);
    });

    /// <summary>Reads bytes after all work of the stream.</summary>
    public byte[] Read(ulong address, int byteCount)
    {
        byte[] bytes = new byte[byteCount];
        Within(() =>
        {
            nint host = AllocateHost(byteCount);
            CudaNative.CopyToHost((void*)host, address, (nuint)byteCount, Stream);
            CudaLibrary.Api.SynchronizeStream(Stream);
            Marshal.Copy(host, bytes, 0, byteCount);
        });
        return bytes;
    }

    /// <summary>Performs an action while the context is current.</summary>
    public void Within(Action action)
    {
        CudaNative.PushContext(_context);
        action();
        CudaNative.PopContext(out _);
    }

    public void Dispose()
    {
        Within(() =>
        {
            CudaLibrary.Api.DestroyStream(Stream);
            _deviceMemory.ForEach(memory => CudaLibrary.Api.FreeMemory(memory));
            _hostMemory.ForEach(memory => CudaLibrary.Api.FreeHostMemory(memory));
        });
        CudaNative.ReleasePrimaryContext(_ordinal);
    }

    private nint AllocateHost(int byteCount)
    {
        CudaLibrary.Api.AllocateHostMemory(out nint memory, byteCount);
        _hostMemory.Add(memory);
        return memory;
    }
}
