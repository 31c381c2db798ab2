using System.Diagnostics;
using Microsoft.Win32.SafeHandles;

namespace MsResampler.Safetensors;

/// <summary>A file with random access for any number of concurrent readers.</summary>
/// <remarks>The file is read rather than mapped into memory. A failed read is an exception; a page fault in the
/// mapping of a truncated file ends the process with a signal. Some file systems do not support mappings.</remarks>
internal sealed class CheckpointFile : IDisposable
{
    private readonly SafeFileHandle _handle;

    /// <summary>Opens the file.</summary>
    /// <exception cref="SafetensorsException">The path names a pipe or a device.</exception>
    public CheckpointFile(string path)
    {
        Path = path;
        // Other processes may replace or delete the file while it is open.
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

    /// <summary>Keeps the file open until the lease is disposed, even if the file is disposed before that.</summary>
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
        /// <exception cref="IOException">The operating system reports a read error.</exception>
        /// <exception cref="SafetensorsException">The file has become shorter since it was opened.</exception>
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
