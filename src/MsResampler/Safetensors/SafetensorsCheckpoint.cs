using System.Diagnostics.CodeAnalysis;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Safetensors;

/// <summary>The tensors of one safetensors file, or of a sharded checkpoint read through its index,
/// memory-mapped and validated before any view exists.</summary>
/// <remarks>Any number of threads may read at once. Disposing while another thread reads is safe: that read
/// completes, and the memory is unmapped after it. The files must not be made shorter while they are
/// open.</remarks>
public sealed class SafetensorsCheckpoint : IDisposable
{
    private const string FileSuffix = ".safetensors";
    private const string IndexSuffix = ".safetensors.index.json";
    private const int BlockElementCount = 1 << 20;

    private readonly Shard[] _shards;
    private readonly Dictionary<string, TensorInfo> _tensors;
    private volatile bool _isDisposed;

    private SafetensorsCheckpoint(string path, Shard[] shards, IEnumerable<TensorInfo> tensors)
    {
        SourcePath = path;
        _shards = shards;
        TensorInfo[] sorted = [.. tensors];
        Array.Sort(sorted, static (left, right) => string.CompareOrdinal(left.Name, right.Name));
        Tensors = sorted;
        _tensors = sorted.ToDictionary(tensor => tensor.Name);

        Dictionary<string, string> metadata = [];
        foreach (Shard shard in shards)
            foreach ((string key, string value) in shard.Header.Metadata)
                metadata.TryAdd(key, value);
        Metadata = metadata;
    }

    /// <summary>The file, or the index, that the checkpoint was read from.</summary>
    public string SourcePath { get; }

    /// <summary>All tensors, ordered by name (ordinal). Of a sharded checkpoint, those that the index names;
    /// what else a shard holds is not part of the checkpoint.</summary>
    public IReadOnlyList<TensorInfo> Tensors { get; }

    /// <summary>The strings of <c>__metadata__</c>. Where shards differ, the first shard by name
    /// decides.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a <c>.safetensors</c> file, a <c>.safetensors.index.json</c>, or a folder that holds
    /// one of them. In a folder, <c>model.safetensors.index.json</c> comes first, then the only other index,
    /// then <c>model.safetensors</c>, then the only <c>.safetensors</c> file.</summary>
    /// <param name="path">The file or folder.</param>
    /// <exception cref="FileNotFoundException">There is no such file, or no checkpoint in the
    /// folder.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="SafetensorsException">The bytes are not valid safetensors, or the folder holds
    /// several checkpoints: <see cref="SafetensorsException.Error"/> says which.</exception>
    public static SafetensorsCheckpoint Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
            path = Choose(path);
        if (!File.Exists(path))
        {
            throw new FileNotFoundException(
                $"{path}: expected a safetensors file, an index or a folder, found nothing", path);
        }

        if (path.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
            return OpenIndex(path);

        Shard[] shards = OpenShards([path]);
        return new SafetensorsCheckpoint(path, shards, shards[0].Header.Tensors);
    }

    /// <summary>Finds a tensor by name.</summary>
    /// <returns>The tensor, or null if there is none of that name.</returns>
    public TensorInfo? Find(string name) => _tensors.GetValueOrDefault(name);

    /// <summary>Converts elements to single precision: exact for F32, F16 and BF16, where even the bits of a
    /// NaN are kept; rounded to nearest even for F64.</summary>
    /// <param name="tensor">A tensor of this checkpoint.</param>
    /// <param name="firstElement">Index of the first element, row-major.</param>
    /// <param name="destination">Receives as many elements as it holds.</param>
    /// <exception cref="ArgumentException">The tensor is not one of this checkpoint.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The elements asked for are not all within the
    /// tensor.</exception>
    /// <exception cref="SafetensorsException">The type is not F32, F16, BF16 or F64.</exception>
    /// <exception cref="ObjectDisposedException">The checkpoint has been disposed.</exception>
    public void Read(TensorInfo tensor, long firstElement, Span<float> destination) =>
        Read(tensor, firstElement, destination, ElementConversion.ToSingle);

    /// <summary>Converts elements to double precision, exactly for every supported type, where even the bits
    /// of a NaN are kept.</summary>
    /// <inheritdoc cref="Read(TensorInfo, long, Span{float})"/>
    public void Read(TensorInfo tensor, long firstElement, Span<double> destination) =>
        Read(tensor, firstElement, destination, ElementConversion.ToDouble);

    /// <summary>Copies stored bytes of a tensor of any type.</summary>
    /// <param name="tensor">A tensor of this checkpoint.</param>
    /// <param name="firstByte">Index of the first byte within the tensor.</param>
    /// <param name="destination">Receives as many bytes as it holds.</param>
    /// <exception cref="ArgumentException">The tensor is not one of this checkpoint.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The bytes asked for are not all within the
    /// tensor.</exception>
    /// <exception cref="ObjectDisposedException">The checkpoint has been disposed.</exception>
    public void ReadBytes(TensorInfo tensor, long firstByte, Span<byte> destination)
    {
        Shard shard = ShardOf(tensor);
        CheckRange(firstByte, destination.Length, tensor.ByteCount, nameof(firstByte));
        using MappedFile.Lease lease = shard.File.Acquire();
        firstByte += shard.Header.DataStart + tensor.FirstByte;
        lease.Bytes(firstByte, destination.Length).CopyTo(destination);
    }

    /// <summary>Unmaps the files. Reads after this throw <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        Close(_shards);
    }

    private void Read<T>(TensorInfo tensor, long firstElement, Span<T> destination,
        Action<TensorType, ReadOnlySpan<byte>, Span<T>> convert)
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
        using MappedFile.Lease lease = shard.File.Acquire();
        // In blocks, because a span of stored bytes cannot be longer than 2 GiB.
        while (!destination.IsEmpty)
        {
            int count = Math.Min(BlockElementCount, destination.Length);
            convert(tensor.Type, lease.Bytes(firstByte, count * elementBytes), destination[..count]);
            firstByte += count * elementBytes;
            destination = destination[count..];
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
        throw new ArgumentOutOfRangeException(name, first, $"Expected {count} from here within {available}.");

    private static SafetensorsCheckpoint OpenIndex(string path)
    {
        Dictionary<string, string> weightMap = ReadIndex(path);
        string folder = Path.GetDirectoryName(path) ?? "";
        string[] names = [.. weightMap.Values.Distinct().Order(StringComparer.Ordinal)];
        foreach (string name in names)
        {
            if (!File.Exists(Path.Combine(folder, name)))
            {
                throw new SafetensorsException(SafetensorsError.MissingShard, path,
                    $"expected the shard {Quote(name)} beside the index, found no such file");
            }
        }

        Shard[] shards = OpenShards([.. names.Select(name => Path.Combine(folder, name))]);
        try
        {
            return new SafetensorsCheckpoint(path, shards, Match(path, weightMap, names, shards));
        }
        catch
        {
            Close(shards);
            throw;
        }
    }

    private static Dictionary<string, string> ReadIndex(string path)
    {
        using MappedFile file = new(path);
        if (file.Length > SafetensorsHeader.MaxBytes)
        {
            throw new SafetensorsException(SafetensorsError.HeaderTooLong, path,
                $"expected an index of at most {SafetensorsHeader.MaxBytes} bytes, found {file.Length}");
        }

        using MappedFile.Lease lease = file.Acquire();
        return SafetensorsIndex.Parse(lease.Bytes(0, (int)file.Length), path);
    }

    private static List<TensorInfo> Match(string path, Dictionary<string, string> weightMap, string[] names,
        Shard[] shards)
    {
        Dictionary<string, TensorInfo> stored = [];
        foreach (TensorInfo tensor in shards.SelectMany(shard => shard.Header.Tensors))
        {
            if (!stored.TryAdd(tensor.Name, tensor))
            {
                throw new SafetensorsException(SafetensorsError.TensorInTwoShards, path,
                    $"tensor {Quote(tensor.Name)}: expected in one shard, found in " +
                    $"{Quote(names[stored[tensor.Name].FileIndex])} and " +
                    Quote(names[tensor.FileIndex]));
            }
        }

        List<TensorInfo> tensors = [];
        foreach ((string name, string shard) in weightMap)
        {
            TensorInfo? tensor = stored.GetValueOrDefault(name);
            if (tensor is null || names[tensor.FileIndex] != shard)
            {
                throw new SafetensorsException(SafetensorsError.TensorNotInShard, path,
                    $"tensor {Quote(name)}: expected in {Quote(shard)}, found " +
                    (tensor is null ? "in no shard" : "in " + Quote(names[tensor.FileIndex])));
            }

            tensors.Add(tensor);
        }

        return tensors;
    }

    private static Shard[] OpenShards(string[] paths)
    {
        List<Shard> shards = [];
        try
        {
            foreach (string path in paths)
            {
                MappedFile file = new(path);
                try
                {
                    using MappedFile.Lease lease = file.Acquire();
                    int startBytes = (int)Math.Min(
                        file.Length, SafetensorsHeader.LengthBytes + SafetensorsHeader.MaxBytes);
                    shards.Add(new Shard(file, SafetensorsHeader.Parse(
                        lease.Bytes(0, startBytes), file.Length, path, shards.Count)));
                }
                catch
                {
                    file.Dispose();
                    throw;
                }
            }

            return [.. shards];
        }
        catch
        {
            Close(shards);
            throw;
        }
    }

    private static void Close(IEnumerable<Shard> shards)
    {
        foreach (Shard shard in shards)
            shard.File.Dispose();
    }

    private static string Choose(string folder)
    {
        foreach (string suffix in (string[])[IndexSuffix, FileSuffix])
        {
            string standard = Path.Combine(folder, "model" + suffix);
            if (File.Exists(standard))
                return standard;

            string[] others = [.. Directory.EnumerateFiles(folder)
                .Where(file => file.EndsWith(suffix, StringComparison.Ordinal))
                .Order(StringComparer.Ordinal)];
            if (others.Length == 1)
                return others[0];
            if (others.Length > 1)
            {
                string names = string.Join(", ", others.Select(Path.GetFileName));
                throw new SafetensorsException(SafetensorsError.AmbiguousFolder, folder,
                    $"expected one checkpoint, found {names}; open one of them by its own name");
            }
        }

        throw new FileNotFoundException(
            $"{folder}: expected a file *{IndexSuffix} or *{FileSuffix}, found none",
            Path.Combine(folder, "model" + FileSuffix));
    }

    private readonly record struct Shard(MappedFile File, SafetensorsHeader Header);
}
