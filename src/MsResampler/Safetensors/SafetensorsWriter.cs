using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace MsResampler.Safetensors;

/// <summary>Writes safetensors files whose bytes depend on the content alone.</summary>
public static class SafetensorsWriter
{
    // A multiple of every element's size.
    private const int BlockBytes = 1 << 20;

    /// <summary>Writes a file: to a temporary name beside <paramref name="path"/> first, then renamed over it, so that
    /// there is never half a file. The tensors are laid out as the reference implementation does: by descending
    /// alignment of their type, then by name.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="tensors">The tensors, in any order; names are unique.</param>
    /// <param name="metadata">Optional strings for <c>__metadata__</c>.</param>
    /// <param name="cancellationToken">Stops between blocks of 1 MiB and removes what was written.</param>
    /// <exception cref="ArgumentException">Two tensors have the same name, or the header would be longer than
    /// 100,000,000 bytes; nothing has been written.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="OperationCanceledException">The write was cancelled.</exception>
    public static void Write(string path, IEnumerable<TensorToWrite> tensors,
        IReadOnlyDictionary<string, string>? metadata = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        TensorToWrite[] ordered = [.. tensors.OrderByDescending(tensor => tensor.Type)
            .ThenBy(tensor => tensor.Name, StringComparer.Ordinal)];
        ReadOnlyMemory<byte> header = CreateHeader(ordered, metadata);

        string temporary = $"{path}.{Path.GetRandomFileName()}.tmp";
        try
        {
            using (FileStream stream = new(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0))
            {
                stream.Write(header.Span);
                byte[] block = new byte[Math.Min(BlockBytes, ordered.Select(tensor => tensor.ByteCount).DefaultIfEmpty().Max())];
                foreach (TensorToWrite tensor in ordered)
                {
                    for (long first = 0; first < tensor.ByteCount; first += BlockBytes)
                    {
                        cancellationToken.ThrowIfCancellationRequested();
                        Span<byte> bytes = block.AsSpan(0, (int)Math.Min(BlockBytes, tensor.ByteCount - first));
                        tensor.Fill(first, bytes);
                        stream.Write(bytes);
                    }
                }
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>The header with its length before it, padded so that the data begins at a multiple of 8.</summary>
    private static ReadOnlyMemory<byte> CreateHeader(TensorToWrite[] ordered, IReadOnlyDictionary<string, string>? metadata)
    {
        HashSet<string> names = [];
        ArrayBufferWriter<byte> buffer = new();
        buffer.Write(stackalloc byte[SafetensorsHeader.LengthBytes]);
        using (Utf8JsonWriter json = new(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject(SafetensorsHeader.MetadataName);
                foreach ((string key, string value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                    json.WriteString(key, value);
                json.WriteEndObject();
            }

            long first = 0;
            foreach (TensorToWrite tensor in ordered)
            {
                if (!names.Add(tensor.Name))
                {
                    throw new ArgumentException($"Tensor {SafetensorsException.Quote(tensor.Name)}: expected each name once, " +
                        "found it twice.", nameof(ordered));
                }

                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype"u8, tensor.Type.ToString());
                json.WriteStartArray("shape"u8);
                foreach (long extent in tensor.Shape)
                    json.WriteNumberValue(extent);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets"u8);
                json.WriteNumberValue(first);
                first = checked(first + tensor.ByteCount);
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
                $"Expected a header of at most {SafetensorsHeader.MaxBytes} bytes, found {headerBytes}; write fewer tensors.",
                nameof(ordered));
        }

        byte[] header = buffer.WrittenSpan.ToArray();
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)headerBytes);
        return header;
    }
}
