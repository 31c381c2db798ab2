using System.Diagnostics;
using Microsoft.Win32.SafeHandles;

namespace MsResampler.Safetensors;

/// <summary>A file that is read at any place, by any number of threads at once.</summary>
/// <remarks>Read, not mapped into memory: a failing read is an exception, where a page fault in a mapping of a file that was
/// cut short ends the process with a signal. Some file systems have no mappings.</remarks>
internal sealed class CheckpointFile : IDisposable
{
    private readonly SafeFileHandle _handle;

    /// <summary>Opens the file.</summary>
    /// <exception cref="SafetensorsException">It is a pipe or a device.</exception>
    public CheckpointFile(string path)
    {
        Path = path;
        // Nobody is locked out: a model may be replaced while it is open.
        _handle = File.OpenHandle(path, share: FileShare.ReadWrite | FileShare.Delete);
        try
        {
            Length = RandomAccess.GetLength(_handle);
        }
        catch (NotSupportedException exception)
        {
            _handle.Dispose();
            throw new SafetensorsException(SafetensorsError.NotAFile, path,
                "expected a file, which can be read at any place, found a pipe or a device; copy it to a file first",
                exception);
        }
    }

    public string Path { get; }

    /// <summary>The length when the file was opened.</summary>
    public long Length { get; }

    /// <summary>Keeps the file open until the lease is disposed, whoever disposes the file meanwhile.</summary>
    /// <exception cref="ObjectDisposedException">The file has been disposed.</exception>
    public Lease Acquire() => new(this);

    public void Dispose() => _handle.Dispose();

    public readonly ref struct Lease
    {
        private readonly CheckpointFile _file;

        public Lease(CheckpointFile file)
        {
            _file = file;
            bool isAcquired = false;
            file._handle.DangerousAddRef(ref isAcquired);
        }

        /// <summary>Fills the span; the caller has checked that the bytes lie within <see cref="Length"/>.</summary>
        /// <exception cref="IOException">The system cannot read.</exception>
        /// <exception cref="SafetensorsException">The file has become shorter.</exception>
        public void Read(long first, Span<byte> destination)
        {
            Debug.Assert(first >= 0 && first <= _file.Length - destination.Length);
            while (!destination.IsEmpty)
            {
                int count = RandomAccess.Read(_file._handle, destination, first);
                if (count == 0)
                {
                    throw new SafetensorsException(SafetensorsError.DataTooShort, _file.Path,
                        $"expected {_file.Length} bytes, as many as when it was opened, found {first}; " +
                        "was the file cut short meanwhile?");
                }

                first += count;
                destination = destination[count..];
            }
        }

        public void Dispose() => _file._handle.DangerousRelease();
    }
}
