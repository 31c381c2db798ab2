using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using MsResampler.Files;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Safetensors;

/// <summary>Writes safetensors files. The same tensors and metadata always give the same bytes.</summary>
public static class SafetensorsWriter
{
    // A multiple of the size of every element type that float values are converted to.
    private const int BlockBytes = 1 << 20;

    /// <summary>Writes a file atomically: to a temporary file beside <paramref name="path"/>, which is renamed
    /// once its bytes are on the disk. A replaced file keeps its permissions; a symbolic link is followed. The
    /// tensors have the order of the reference implementation: by descending alignment of their type, then by
    /// name.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="tensors">The tensors, in any order; names are unique.</param>
    /// <param name="metadata">Optional strings for <c>__metadata__</c>.</param>
    /// <param name="cancellationToken">Checked between blocks of 1 MiB; cancellation removes the temporary
    /// file.</param>
    /// <exception cref="ArgumentException">Two tensors have the same name, a string of the metadata is not valid
    /// UTF-16, the total size is 2^63 bytes or more, or the header exceeds 100,000,000 bytes. Nothing has been
    /// written.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The process lacks permission to write the folder or the
    /// file.</exception>
    /// <exception cref="OperationCanceledException">The write was cancelled.</exception>
    public static void Write(string path, IEnumerable<TensorToWrite> tensors,
        IReadOnlyDictionary<string, string>? metadata = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        TensorToWrite[] ordered = Order(tensors);
        byte[] header = CreateHeader(ordered, metadata);

        using AtomicFile file = new(path);
        Write(file.Stream, header, ordered, cancellationToken);
        file.Commit(cancellationToken);
    }

    /// <summary>Writes to a stream.</summary>
    internal static void Write(Stream stream, IEnumerable<TensorToWrite> tensors, CancellationToken cancellationToken)
    {
        TensorToWrite[] ordered = Order(tensors);
        Write(stream, CreateHeader(ordered, metadata: null), ordered, cancellationToken);
    }

    private static TensorToWrite[] Order(IEnumerable<TensorToWrite> tensors)
        => [.. tensors.OrderByDescending(tensor => tensor.Type).ThenBy(tensor => tensor.Name, StringComparer.Ordinal)];

    private static void Write(Stream stream, byte[] header, TensorToWrite[] ordered,
        CancellationToken cancellationToken)
    {
        stream.Write(header);
        byte[] block = new byte[BlockBytes];
        foreach (TensorToWrite tensor in ordered)
        {
            for (long first = 0; first < tensor.ByteCount; first += BlockBytes)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int count = (int)Math.Min(BlockBytes, tensor.ByteCount - first);
                Span<byte> bytes = block.AsSpan(0, count);
                tensor.Fill(first, bytes);
                stream.Write(bytes);
            }
        }
    }

    /// <summary>The length field and the header, padded with spaces so that the data begin at a multiple of 8
    /// bytes.</summary>
    private static byte[] CreateHeader(TensorToWrite[] tensors,
        IReadOnlyDictionary<string, string>? metadata)
    {
        HashSet<string> names = [];
        ArrayBufferWriter<byte> buffer = new();
        buffer.Write(stackalloc byte[SafetensorsHeader.LengthBytes]);
        // The reference implementation writes characters beyond ASCII without escapes.
        JsonWriterOptions options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (Utf8JsonWriter json = new(buffer, options))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject(SafetensorsHeader.MetadataName);
                foreach ((string key, string value) in
                    metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                {
                    if (!TensorToWrite.IsText(key) || !TensorToWrite.IsText(value))
                    {
                        throw new ArgumentException(
                            $"Metadata {Quote(key)}: expected text, found half a surrogate pair.",
                            nameof(metadata));
                    }

                    json.WriteString(key, value);
                }

                json.WriteEndObject();
            }

            long first = 0;
            foreach (TensorToWrite tensor in tensors)
            {
                if (!names.Add(tensor.Name))
                {
                    throw new ArgumentException(
                        $"Tensor {Quote(tensor.Name)}: expected each name once, found it twice.",
                        nameof(tensors));
                }

                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype"u8, tensor.Type.ToString());
                json.WriteStartArray("shape"u8);
                foreach (long extent in tensor.Shape)
                    json.WriteNumberValue(extent);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets"u8);
                json.WriteNumberValue(first);
                if (tensor.ByteCount > long.MaxValue - first)
                {
                    throw new ArgumentException(
                        $"Tensor {Quote(tensor.Name)}: expected an end below 2^63 bytes, found " +
                        $"{tensor.ByteCount} bytes after {first}.", nameof(tensors));
                }

                first += tensor.ByteCount;
                json.WriteNumberValue(first);
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        int padding = -buffer.WrittenCount & (SafetensorsHeader.LengthBytes - 1);
        buffer.GetSpan(padding)[..padding].Fill((byte)' ');
        buffer.Advance(padding);
        int headerBytes = buffer.WrittenCount - SafetensorsHeader.LengthBytes;
        if (headerBytes > SafetensorsHeader.MaxBytes)
        {
            throw new ArgumentException(
                $"Expected a header of at most {SafetensorsHeader.MaxBytes} bytes, found {headerBytes}; " +
                "write fewer tensors or metadata.", nameof(tensors));
        }

        byte[] header = buffer.WrittenSpan.ToArray();
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)headerBytes);
        return header;
    }
}
