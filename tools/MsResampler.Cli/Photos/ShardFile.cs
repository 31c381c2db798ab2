using System.IO.Hashing;
using Microsoft.Win32.SafeHandles;

namespace MsResampler.Cli.Photos;

/// <summary>A shard that is being written. It has the extension <c>.part</c> until it is complete.</summary>
internal sealed class ShardFile : IDisposable
{
    public const string Extension = ".safetensors";
    public const string PartExtension = Extension + ".part";

    private readonly ShardLayout _layout;
    private readonly string _path;
    private readonly SafeFileHandle _file;

    /// <param name="folder">The folder.</param>
    /// <param name="name">The name of the shard when it is complete.</param>
    /// <param name="layout">Its layout.</param>
    /// <param name="count">The tensors in it; what follows them is removed.</param>
    public ShardFile(string folder, string name, ShardLayout layout, int count)
    {
        (_layout, Count, Name) = (layout, count, name);
        _path = Path.Combine(folder, name);
        _file = File.OpenHandle(PartOf(_path), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        try
        {
            SetLength(layout.OffsetOf(count));
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    /// <summary>The name of the shard when it is complete.</summary>
    public string Name { get; }

    /// <summary>The number of tensors.</summary>
    public int Count { get; private set; }

    /// <summary>Whether there is no room for another tensor.</summary>
    public bool IsFull => Count >= _layout.Capacity;

    /// <summary>The name of an incomplete shard.</summary>
    public static string PartOf(string path) => path[..^Extension.Length] + PartExtension;

    /// <summary>The number of tensors at the start of an incomplete shard that are in the file with the expected
    /// checksums.</summary>
    public static int CountIntact(string path, ShardLayout layout, IReadOnlyList<uint> checksums,
        CancellationToken cancellationToken)
    {
        if (!File.Exists(path))
            return 0;
        using SafeFileHandle file = File.OpenHandle(path);
        byte[] tensor = new byte[(int)(layout.OffsetOf(1) - layout.OffsetOf(0))];
        for (int index = 0; index < checksums.Count; index++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (RandomAccess.GetLength(file) < layout.OffsetOf(index + 1))
                return index;
            int length = 0;
            for (int read; length < tensor.Length && (read = RandomAccess.Read(file, tensor.AsSpan(length),
                layout.OffsetOf(index) + length)) > 0;)
                length += read;
            if (length < tensor.Length || Crc32.HashToUInt32(tensor) != checksums[index])
                return index;
        }

        return checksums.Count;
    }

    /// <summary>Appends the bytes of a tensor.</summary>
    public void Append(ReadOnlySpan<byte> tensor)
    {
        RandomAccess.Write(_file, tensor, _layout.OffsetOf(Count));
        Count++;
    }

    /// <summary>Writes the header, and waits until all bytes are on the disk.</summary>
    public void WriteHeader()
    {
        RandomAccess.Write(_file, _layout.Header(Count), 0);
        RandomAccess.FlushToDisk(_file);
    }

    /// <summary>Gives the shard its name.</summary>
    public void GiveName()
    {
        _file.Dispose();
        File.Move(PartOf(_path), _path);
    }

    public void Dispose() => _file.Dispose();

    private void SetLength(long length)
    {
        // The file may end with a tensor that was not recorded.
        if (RandomAccess.GetLength(_file) > length)
            RandomAccess.SetLength(_file, length);
    }
}
