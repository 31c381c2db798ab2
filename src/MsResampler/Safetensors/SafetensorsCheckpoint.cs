using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using MsResampler.Files;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Safetensors;

/// <summary>The tensors of one safetensors file, or of a sharded checkpoint read through its index. Opening reads
/// and validates the headers; the bytes of a tensor are read on request.</summary>
/// <remarks>Any number of threads may read at once. Disposing while another thread reads is safe: that read
/// completes, and the files are closed after it. If a file has become shorter since it was opened, a read beyond
/// its end fails with <see cref="SafetensorsError.DataTooShort"/>.</remarks>
public sealed class SafetensorsCheckpoint : ITensorSource
{
    private const int BlockBytes = 1 << 18;

    private readonly Shard[] _shards;
    private readonly Dictionary<string, TensorInfo> _tensors;
    private readonly Dictionary<string, TensorInfo> _aliases = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _absent;
    private volatile bool _isDisposed;

    private SafetensorsCheckpoint(string path, Shard[] shards, IEnumerable<TensorInfo> tensors,
        Dictionary<string, string> absent, IReadOnlyList<string> warnings)
    {
        SourcePath = path;
        Warnings = warnings;
        _shards = shards;
        _absent = absent;
        TensorInfo[] sorted = [.. tensors];
        Array.Sort(sorted, static (left, right) => string.CompareOrdinal(left.Name, right.Name));
        Tensors = sorted;
        _tensors = sorted.ToDictionary(tensor => tensor.Name);

        Dictionary<string, string> metadata = [];
        foreach (Shard shard in shards)
            foreach ((string key, string value) in shard.Header.Metadata)
                metadata.TryAdd(key, value);
        Metadata = metadata;
        foreach ((string name, string kept) in metadata)
            if (!_tensors.ContainsKey(name) && _tensors.TryGetValue(kept, out TensorInfo? tensor))
                _aliases.Add(name, tensor);
    }

    /// <summary>The file, or the index, that the checkpoint was read from.</summary>
    public string SourcePath { get; }

    /// <summary>All tensors, ordered by name (ordinal). A sharded checkpoint consists of the tensors that its index
    /// names; other tensors in the shards are ignored.</summary>
    public IReadOnlyList<TensorInfo> Tensors { get; }

    /// <summary>The strings of <c>__metadata__</c>. If shards disagree on a key, the first shard by name takes
    /// precedence.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>What was ignored when the files were opened, one sentence each: missing shards, and an index or a
    /// single file beside a checkpoint that is complete without it.</summary>
    public IReadOnlyList<string> Warnings { get; private set; }

    /// <summary>Maps the names of tied tensors to the stored tensors, as the metadata written by safetensors'
    /// <c>save_model</c> do.</summary>
    internal IReadOnlyDictionary<string, TensorInfo> Aliases => _aliases;

    /// <summary>For each tensor that the index names and no shard holds, the reason why it is missing.</summary>
    internal IReadOnlyDictionary<string, string> Absent => _absent;

    /// <summary>Whether every file that the index names exists and is a safetensors file.</summary>
    internal bool HasEveryShard { get; private init; } = true;

    /// <summary>The names, without folders, of the files that hold tensors.</summary>
    internal IEnumerable<string> FileNames => _shards.Select(shard => Path.GetFileName(shard.File.Path));

    /// <summary>Opens a <c>.safetensors</c> file, a <c>.safetensors.index.json</c>, or a folder that holds
    /// a checkpoint.</summary>
    /// <remarks>In a folder the first of these is opened: <c>model.safetensors</c>, if it holds all tensors of an
    /// index beside it, or if that index is unusable; the index <c>model.safetensors.index.json</c>, or the only
    /// index of another name; the only <c>.safetensors</c> file. Hidden files and broken links are ignored. If a
    /// shard is missing, the checkpoint is opened without the tensors that the index places in it.</remarks>
    /// <param name="path">The file or folder.</param>
    /// <exception cref="FileNotFoundException">The path does not exist, or the folder holds no
    /// checkpoint.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The process lacks permission to read a file.</exception>
    /// <exception cref="SafetensorsException">The bytes are not valid safetensors, or the folder holds
    /// several checkpoints; see <see cref="SafetensorsException.Error"/>.</exception>
    public static SafetensorsCheckpoint Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
            return CheckpointFolder.Open(path);
        try
        {
            return OpenFile(path, []);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new FileNotFoundException($"{path}: expected a safetensors file, an index or a folder, found " +
                CheckpointFolder.DescribeMissing(path), path, exception);
        }
    }

    IReadOnlyDictionary<string, TensorInfo> ITensorSource.Aliases => _aliases;

    IReadOnlyDictionary<string, string> ITensorSource.Absent => _absent;

    /// <summary>Opens a file or an index.</summary>
    internal static SafetensorsCheckpoint OpenFile(string path, IEnumerable<string> warnings) =>
        path.EndsWith(".json", StringComparison.OrdinalIgnoreCase)
            ? OpenIndex(path, warnings) : OpenSingle(new CheckpointFile(path), warnings);

    /// <summary>Opens a file that is in memory.</summary>
    /// <param name="bytes">The bytes of a <c>.safetensors</c> file; not an index.</param>
    /// <exception cref="SafetensorsException">The bytes are not valid safetensors.</exception>
    internal static SafetensorsCheckpoint Open(CheckpointBytes bytes) => OpenSingle(new CheckpointFile(bytes), []);

    /// <summary>Adds to <see cref="Warnings"/>.</summary>
    internal SafetensorsCheckpoint Warn(string warning)
    {
        Warnings = [.. Warnings, warning];
        return this;
    }

    /// <summary>Finds a tensor by its name or by an alias from the metadata.</summary>
    /// <returns>The tensor, or null if the checkpoint has none of that name.</returns>
    public TensorInfo? Find(string name) => _tensors.GetValueOrDefault(name) ?? _aliases.GetValueOrDefault(name);

    /// <summary>Reads elements as float32. F32, F16 and BF16 are converted exactly, including the bits of a NaN;
    /// F64 is rounded to nearest even.</summary>
    /// <param name="tensor">A tensor of this checkpoint.</param>
    /// <param name="firstElement">Index of the first element, row-major.</param>
    /// <param name="destination">Receives the elements; its length is the number of elements read.</param>
    /// <exception cref="ArgumentException">The tensor does not belong to this checkpoint.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The range exceeds the tensor.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="SafetensorsException">The type is not F32, F16, BF16 or F64, or the file has become
    /// shorter.</exception>
    /// <exception cref="ObjectDisposedException">The checkpoint has been disposed.</exception>
    public void Read(TensorInfo tensor, long firstElement, Span<float> destination) =>
        Read(tensor, firstElement, destination, ElementConversion.ToSingle, TensorType.F32);

    /// <summary>Reads elements as float64. Every supported type is converted exactly, including the bits of a
    /// NaN.</summary>
    /// <inheritdoc cref="Read(TensorInfo, long, Span{float})"/>
    public void Read(TensorInfo tensor, long firstElement, Span<double> destination) =>
        Read(tensor, firstElement, destination, ElementConversion.ToDouble, TensorType.F64);

    /// <summary>Copies stored bytes of a tensor of any type, without conversion.</summary>
    /// <param name="tensor">A tensor of this checkpoint.</param>
    /// <param name="firstByte">Index of the first byte within the tensor.</param>
    /// <param name="destination">Receives the bytes; its length is the number of bytes read.</param>
    /// <exception cref="ArgumentException">The tensor does not belong to this checkpoint.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The range exceeds the tensor.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="SafetensorsException">The file has become shorter since it was opened.</exception>
    /// <exception cref="ObjectDisposedException">The checkpoint has been disposed.</exception>
    public void ReadBytes(TensorInfo tensor, long firstByte, Span<byte> destination)
    {
        Shard shard = ShardOf(tensor);
        CheckRange(firstByte, destination.Length, tensor.ByteCount, nameof(firstByte));
        using CheckpointFile.Lease lease = shard.File.Acquire();
        lease.Read(shard.Header.DataStart + tensor.FirstByte + firstByte, destination);
    }

    /// <summary>Closes the files. Later reads throw <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        Close(_shards);
    }

    private void Read<T>(TensorInfo tensor, long firstElement, Span<T> destination,
        Action<TensorType, ReadOnlySpan<byte>, Span<T>> convert, TensorType same)
        where T : unmanaged
    {
        Shard shard = ShardOf(tensor);
        CheckRange(firstElement, destination.Length, tensor.ElementCount, nameof(firstElement));
        if (!ElementConversion.IsSupported(tensor.Type))
        {
            throw new SafetensorsException(SafetensorsError.UnsupportedType, shard.File.Path,
                $"tensor {Quote(tensor.Name)}: expected F32, F16, BF16 or F64, found {tensor.Type}");
        }

        int elementBytes = TensorTypes.BitsOf(tensor.Type) / 8;
        long firstByte = shard.Header.DataStart + tensor.FirstByte + (firstElement * elementBytes);
        using CheckpointFile.Lease lease = shard.File.Acquire();
        if (tensor.Type == same)
        {
            // A span of bytes is limited to 2 GiB; the destination may be longer.
            const int MaxElementCount = 1 << 27;
            for (; !destination.IsEmpty; destination = destination[Math.Min(MaxElementCount, destination.Length)..])
            {
                Span<byte> part = MemoryMarshal.AsBytes(
                    destination[..Math.Min(MaxElementCount, destination.Length)]);
                lease.Read(firstByte, part);
                firstByte += part.Length;
            }

            return;
        }

        // A block is small enough to stay in the processor's cache until it is converted.
        int blockElementCount = Math.Min(BlockBytes / elementBytes, destination.Length);
        byte[] block = ArrayPool<byte>.Shared.Rent(blockElementCount * elementBytes);
        try
        {
            while (!destination.IsEmpty)
            {
                int count = Math.Min(blockElementCount, destination.Length);
                Span<byte> stored = block.AsSpan(0, count * elementBytes);
                lease.Read(firstByte, stored);
                convert(tensor.Type, stored, destination[..count]);
                firstByte += stored.Length;
                destination = destination[count..];
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }

    private Shard ShardOf(TensorInfo tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (Find(tensor.Name) != tensor)
        {
            throw new ArgumentException(
                $"Tensor {Quote(tensor.Name)} is not one of {SourcePath}.", nameof(tensor));
        }

        return _shards[tensor.FileIndex];
    }

    private static void CheckRange(long first, int count, long available, string name)
    {
        if (first < 0 || first > available - count)
            ThrowRange(first, count, available, name);
    }

    [DoesNotReturn]
    private static void ThrowRange(long first, int count, long available, string name) =>
        throw new ArgumentOutOfRangeException(name, first, $"Expected a range of {count} within {available}.");

    private static SafetensorsCheckpoint OpenSingle(CheckpointFile file, IEnumerable<string> warnings)
    {
        Shard shard = OpenShard(file, 0);
        return new SafetensorsCheckpoint(file.Path, [shard], shard.Header.Tensors, [], [.. warnings]);
    }

    private static SafetensorsCheckpoint OpenIndex(string path, IEnumerable<string> warnings)
    {
        Dictionary<string, string> weightMap = ReadIndex(path);
        string folder = Path.GetDirectoryName(path) ?? "";
        List<Shard> shards = [];
        try
        {
            Dictionary<string, string> unusable = new(StringComparer.Ordinal); // shard -> reason
            Dictionary<string, Dictionary<string, TensorInfo>> stored = new(StringComparer.Ordinal);
            SafetensorsException? firstError = null;
            foreach (string name in weightMap.Values.Distinct().Order(StringComparer.Ordinal))
            {
                string shardPath = Path.Combine(folder, name);
                if (!CheckpointFolder.IsFile(shardPath))
                {
                    unusable.Add(name, $"found {CheckpointFolder.DescribeMissing(shardPath)}");
                    firstError ??= new SafetensorsException(SafetensorsError.MissingShard, path,
                        $"expected the shard {Quote(name)} beside the index, {unusable[name]}");
                    continue;
                }

                try
                {
                    Shard shard = OpenShard(new CheckpointFile(shardPath), shards.Count);
                    shards.Add(shard);
                    stored.Add(name, shard.Header.Tensors.ToDictionary(tensor => tensor.Name));
                }
                catch (SafetensorsException exception) when (exception.Error == SafetensorsError.AnotherFormat)
                {
                    // For example a Git LFS pointer, if only one shard was fetched.
                    unusable.Add(name, exception.Problem);
                    firstError ??= exception;
                }
            }

            if (shards.Count == 0 && firstError is not null)
                throw firstError;

            List<TensorInfo> tensors = [];
            Dictionary<string, string> absent = new(StringComparer.Ordinal);
            foreach ((string name, string shard) in weightMap)
            {
                if (unusable.TryGetValue(shard, out string? reason))
                    absent.Add(name, $"the index places it in {Quote(shard)}: {reason}");
                else if (stored[shard].TryGetValue(name, out TensorInfo? tensor))
                    tensors.Add(tensor);
                else
                    absent.Add(name, $"the index places it in {Quote(shard)}, which does not hold it");
            }

            IEnumerable<string> left = unusable.Select(pair => $"shard {Quote(pair.Key)} was left out, " +
                $"with the tensors that the index places there: {pair.Value}");
            return new SafetensorsCheckpoint(path, [.. shards], tensors, absent, [.. warnings, .. left])
            {
                HasEveryShard = unusable.Count == 0,
            };
        }
        catch
        {
            Close(shards);
            throw;
        }
    }

    private static Dictionary<string, string> ReadIndex(string path)
    {
        using CheckpointFile file = new(path);
        if (file.Length > SafetensorsHeader.MaxBytes)
        {
            throw new SafetensorsException(SafetensorsError.HeaderTooLong, path,
                $"expected an index of at most {SafetensorsHeader.MaxBytes} bytes, found {file.Length}");
        }

        if (file.Length == 0)
        {
            throw new SafetensorsException(SafetensorsError.HeaderEmpty, path,
                "expected a JSON object, found an empty file");
        }

        byte[] bytes = GC.AllocateUninitializedArray<byte>((int)file.Length);
        using CheckpointFile.Lease lease = file.Acquire();
        lease.Read(0, bytes);
        try
        {
            return SafetensorsIndex.Parse(bytes, path);
        }
        catch (SafetensorsException exception)
        {
            ThrowIfAnotherFormat(path, "an index in JSON", bytes, exception);
            throw;
        }
    }

    /// <summary>Validates the header of a file, and disposes the file if that throws.</summary>
    private static Shard OpenShard(CheckpointFile file, int fileIndex)
    {
        try
        {
            using CheckpointFile.Lease lease = file.Acquire();
            byte[] start = GC.AllocateUninitializedArray<byte>((int)Math.Min(file.Length, FileKind.StartBytes));
            lease.Read(0, start);
            int startBytes = SafetensorsHeader.StartBytes(start, file.Length);
            if (startBytes > start.Length)
            {
                start = GC.AllocateUninitializedArray<byte>(startBytes);
                lease.Read(0, start);
            }

            try
            {
                return new Shard(file, SafetensorsHeader.Parse(start, file.Length, file.Path, fileIndex));
            }
            catch (SafetensorsException exception)
            {
                ThrowIfAnotherFormat(file.Path, "a safetensors file", start, exception);
                throw;
            }
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static void ThrowIfAnotherFormat(string path, string expected, ReadOnlySpan<byte> start,
        SafetensorsException exception)
    {
        if (!start.IsEmpty && FileKind.Describe(start[..Math.Min(start.Length, FileKind.StartBytes)]) is { } kind)
        {
            throw new SafetensorsException(SafetensorsError.AnotherFormat, path,
                $"expected {expected}, found {kind}", exception);
        }
    }

    private static void Close(IEnumerable<Shard> shards)
    {
        foreach (Shard shard in shards)
            shard.File.Dispose();
    }

    private readonly record struct Shard(CheckpointFile File, SafetensorsHeader Header);
}
