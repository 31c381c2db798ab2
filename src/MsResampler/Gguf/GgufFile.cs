using System.Buffers;
using System.Runtime.InteropServices;
using MsResampler.Safetensors;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Gguf;

/// <summary>The resampler's tensors of a GGUF file: an <c>mmproj</c> file of llama.cpp.</summary>
/// <remarks>Tensors of type Q8_0 are read as float32, exactly.</remarks>
internal sealed class GgufFile : ITensorSource
{
    /// <summary>The prefix of the resampler's tensors.</summary>
    public const string Prefix = "resampler.";

    private const string Extension = ".gguf";

    // A table of the keys' positions, which are computed.
    private const string IgnoredTensor = Prefix + "pos_embed_k";

    private const int BlockBytes = 1 << 18;

    // The names of llama.cpp that differ from the names of roles.
    private static readonly (string Stored, string Role)[] s_names =
    [
        ("kv.weight", "kv_proj.weight"),
        ("attn.q.weight", "attn.q_proj.weight"), ("attn.q.bias", "attn.q_proj.bias"),
        ("attn.k.weight", "attn.k_proj.weight"), ("attn.k.bias", "attn.k_proj.bias"),
        ("attn.v.weight", "attn.v_proj.weight"), ("attn.v.bias", "attn.v_proj.bias"),
        ("attn.out.weight", "attn.out_proj.weight"), ("attn.out.bias", "attn.out_proj.bias"),
    ];

    private readonly CheckpointFile _file;
    private readonly Dictionary<TensorInfo, GgufTensor> _stored = [];
    private readonly Dictionary<string, TensorInfo> _aliases = new(StringComparer.Ordinal);

    private GgufFile(CheckpointFile file, GgufHeader header)
    {
        _file = file;
        Header = header;
        List<TensorInfo> tensors = [];
        foreach (GgufTensor tensor in header.Tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal))
        {
            if (!tensor.Name.StartsWith(Prefix, StringComparison.Ordinal) || tensor.Name == IgnoredTensor)
                continue;
            if (tensor.Type.Converted is not { } type)
            {
                throw new GgufException(GgufError.UnsupportedType, file.Path, $"tensor {Quote(tensor.Name)}: " +
                    $"expected F32, F16, BF16, F64 or Q8_0, found {tensor.Type.Name}; use a file of another precision");
            }

            if (TensorSize.Compute(type, tensor.Shape, out long elementCount, out long byteCount) != SizeProblem.None)
                throw new GgufException(GgufError.SizeOverflow, file.Path,
                    $"tensor {Quote(tensor.Name)}: expected fewer than 2^63 bits, found more");
            TensorInfo info = new(tensor.Name, type, tensor.Shape, elementCount, tensor.FirstByte, byteCount,
                fileIndex: 0);
            tensors.Add(info);
            _stored.Add(info, tensor);
        }

        Tensors = tensors;
        foreach ((string stored, string role) in s_names)
            if (tensors.Find(tensor => tensor.Name == Prefix + stored) is { } tensor)
                _aliases.Add(Prefix + role, tensor);
    }

    public string SourcePath => _file.Path;

    public IReadOnlyList<TensorInfo> Tensors { get; }

    public IReadOnlyDictionary<string, TensorInfo> Aliases => _aliases;

    public IReadOnlyDictionary<string, string> Absent { get; } = new Dictionary<string, string>();

    public IReadOnlyList<string> Warnings => [];

    /// <summary>The header.</summary>
    public GgufHeader Header { get; }

    /// <summary>Whether a path names a GGUF file, by its extension or its first bytes.</summary>
    public static bool IsGguf(string path)
    {
        if (path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase))
            return true;
        // A pipe, whose length is 0, cannot be opened again.
        if (new FileInfo(File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path).Length == 0)
            return false;
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        Span<byte> start = stackalloc byte[4];
        return file.CanSeek && file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) == start.Length
            && start.SequenceEqual("GGUF"u8);
    }

    /// <summary>Whether bytes are those of a GGUF file.</summary>
    public static bool IsGguf(CheckpointBytes bytes)
    {
        Span<byte> start = stackalloc byte[4];
        if (bytes.Length < start.Length)
            return false;
        bytes.Read(0, start);
        return start.SequenceEqual("GGUF"u8);
    }

    /// <summary>Opens a file and validates its header.</summary>
    /// <exception cref="GgufException">The file is invalid.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="SafetensorsException">The path names a pipe or a device.</exception>
    public static GgufFile Open(string path) => Open(new CheckpointFile(path));

    /// <summary>Validates the header of a file that is in memory.</summary>
    /// <exception cref="GgufException">The bytes are invalid.</exception>
    public static GgufFile Open(CheckpointBytes bytes) => Open(new CheckpointFile(bytes));

    private static GgufFile Open(CheckpointFile file)
    {
        try
        {
            return new GgufFile(file, GgufHeader.Parse((first, destination) =>
            {
                using CheckpointFile.Lease lease = file.Acquire();
                lease.Read(first, destination);
            }, file.Length, file.Path));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Read(TensorInfo tensor, long firstElement, Span<float> destination)
        => Read(tensor, firstElement, destination, ElementConversion.ToSingle);

    public void Read(TensorInfo tensor, long firstElement, Span<double> destination)
        => Read(tensor, firstElement, destination, ElementConversion.ToDouble);

    public void ReadBytes(TensorInfo tensor, long firstByte, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstByte);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstByte, tensor.ByteCount - destination.Length);
        GgufTensor stored = _stored[tensor];
        using CheckpointFile.Lease lease = _file.Acquire();
        if (stored.Type != GgufTensorType.Q8)
            lease.Read(stored.FirstByte + firstByte, destination);
        else
            ReadBlocks(lease, stored, firstByte / sizeof(float), MemoryMarshal.Cast<byte, float>(destination));
    }

    public void Dispose() => _file.Dispose();

    private void Read<T>(TensorInfo tensor, long firstElement, Span<T> destination,
        Action<TensorType, ReadOnlySpan<byte>, Span<T>> convert)
    {
        int elementBytes = TensorTypes.BitsOf(tensor.Type) / 8;
        byte[] block = ArrayPool<byte>.Shared.Rent(BlockBytes);
        try
        {
            while (!destination.IsEmpty)
            {
                int count = Math.Min(BlockBytes / elementBytes, destination.Length);
                Span<byte> bytes = block.AsSpan(0, count * elementBytes);
                ReadBytes(tensor, firstElement * elementBytes, bytes);
                convert(tensor.Type, bytes, destination[..count]);
                firstElement += count;
                destination = destination[count..];
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }

    /// <summary>Reads elements of a tensor of type Q8_0: element i is the byte i % 32 of block i / 32 times the factor
    /// of the block.</summary>
    private static void ReadBlocks(CheckpointFile.Lease lease, GgufTensor tensor, long firstElement,
        Span<float> destination)
    {
        const int FactorBytes = 2;
        const int MaxBlockCount = 2048;
        int blockElements = tensor.Type.BlockElementCount;
        int blockBytes = tensor.Type.BlockBytes;
        byte[] rented = ArrayPool<byte>.Shared.Rent(MaxBlockCount * blockBytes);
        try
        {
            while (!destination.IsEmpty)
            {
                (long firstBlock, long skipped) = Math.DivRem(firstElement, blockElements);
                int count = (int)Math.Min(destination.Length, ((long)MaxBlockCount * blockElements) - skipped);
                int blockCount = (int)((skipped + count + blockElements - 1) / blockElements);
                Span<byte> blocks = rented.AsSpan(0, blockCount * blockBytes);
                lease.Read(tensor.FirstByte + (firstBlock * blockBytes), blocks);
                for (int index = 0; index < count; index++)
                {
                    (int block, int place) = Math.DivRem((int)skipped + index, blockElements);
                    ReadOnlySpan<byte> stored = blocks.Slice(block * blockBytes, blockBytes);
                    destination[index] = (float)MemoryMarshal.Read<Half>(stored)
                        * (sbyte)stored[FactorBytes + place];
                }

                firstElement += count;
                destination = destination[count..];
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }
}
