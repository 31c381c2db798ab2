using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace MsResampler.Safetensors;

/// <summary>A file mapped into memory, read-only.</summary>
internal sealed class MappedFile : IDisposable
{
    private readonly SafeMemoryMappedViewHandle? _view;

    /// <summary>Maps the file.</summary>
    public MappedFile(string path)
    {
        Path = path;
        using SafeFileHandle file = File.OpenHandle(path);
        Length = RandomAccess.GetLength(file);
        if (Length == 0)
            return; // which cannot be mapped

        using MemoryMappedFile map = MemoryMappedFile.CreateFromFile(file, null, capacity: 0,
            MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        // The view keeps the memory mapped without the file being open; its handle is all that has to be
        // kept.
        _view = map.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read).SafeMemoryMappedViewHandle;
    }

    public string Path { get; }

    public long Length { get; }

    /// <summary>Keeps the memory mapped until the lease is disposed, whoever disposes the file
    /// meanwhile.</summary>
    /// <exception cref="ObjectDisposedException">The file has been disposed.</exception>
    public Lease Acquire() => new(_view);

    public void Dispose() => _view?.Dispose();

    public readonly unsafe ref struct Lease
    {
        private readonly SafeMemoryMappedViewHandle? _view;
        private readonly byte* _first;

        public Lease(SafeMemoryMappedViewHandle? view)
        {
            _view = view;
            view?.AcquirePointer(ref _first);
        }

        /// <summary>Bytes of the file; the caller has checked that they lie within it.</summary>
        public ReadOnlySpan<byte> Bytes(long first, int count) => new(_first + first, count);

        public void Dispose() => _view?.ReleasePointer();
    }
}
