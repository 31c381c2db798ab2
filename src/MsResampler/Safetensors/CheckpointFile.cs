using System.Diagnostics;
using Microsoft.Win32.SafeHandles;

namespace MsResampler.Safetensors;

/// <summary>A file, or its bytes in memory, with random access for any number of concurrent readers.</summary>
/// <remarks>A file on a disk is read rather than mapped into memory. A failed read is an exception; a page fault in the
/// mapping of a truncated file ends the process with a signal. Some file systems do not support mappings.</remarks>
internal sealed class CheckpointFile : IDisposable
{
    private readonly SafeFileHandle? _handle;
    private CheckpointBytes? _bytes;

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

    /// <summary>Bytes in memory take the place of a file.</summary>
    public CheckpointFile(CheckpointBytes bytes)
        => (Path, Length, _bytes) = (CheckpointBytes.Name, bytes.Length, bytes);

    /// <summary>The path of the file; for bytes in memory a name for messages.</summary>
    public string Path { get; }

    /// <summary>The length when the file was opened.</summary>
    public long Length { get; }

    /// <summary>Keeps the file open until the lease is disposed, even if the file is disposed before that.</summary>
    /// <exception cref="ObjectDisposedException">The file has been disposed.</exception>
    public Lease Acquire() => new(this);

    public void Dispose()
    {
        _handle?.Dispose();
        _bytes = null;
    }

    public readonly ref struct Lease
    {
        private readonly CheckpointFile _file;
        private readonly CheckpointBytes? _bytes;

        public Lease(CheckpointFile file)
        {
            _file = file;
            if (file._handle is null)
            {
                _bytes = file._bytes;
                ObjectDisposedException.ThrowIf(_bytes is null, file);
                return;
            }

            bool isAcquired = false;
            file._handle.DangerousAddRef(ref isAcquired);
        }

        /// <summary>Fills the span; the caller has checked that the bytes lie within <see cref="Length"/>.</summary>
        /// <exception cref="IOException">The operating system reports a read error.</exception>
        /// <exception cref="SafetensorsException">The file has become shorter since it was opened.</exception>
        public void Read(long first, Span<byte> destination)
        {
            Debug.Assert(first >= 0 && first <= _file.Length - destination.Length);
            if (_file._handle is null)
            {
                _bytes!.Read(first, destination);
                return;
            }

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

        public void Dispose() => _file._handle?.DangerousRelease();
    }
}
