using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using MsResampler.Safetensors;

namespace MsResampler.Cli.Photos;

/// <summary>The layout of a shard: a safetensors file with a tensor for each photo. The space for the header of a full
/// shard is reserved at its start, so that tensors are written once, one after another, and the header at the
/// end.</summary>
internal sealed class ShardLayout
{
    // Alignment of the first tensor, for readers that map the file.
    private const int Alignment = 64;

    // The header, fewer than 100 bytes for each tensor, stays below 1 MB; the format permits 100 MB.
    private const int MaxCapacity = 10_000;

    private static readonly JsonSerializerOptions s_json = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly StoreSettings _settings;
    private readonly string _metadata;

    /// <param name="settings">The sizes, and the metadata of the header.</param>
    public ShardLayout(StoreSettings settings)
    {
        _settings = settings;
        _metadata = JsonSerializer.Serialize(settings.ToText(), s_json);
        Capacity = (int)Math.Clamp(settings.ShardBytes / settings.PhotoBytes, 1, MaxCapacity);
        int length = SafetensorsHeader.LengthBytes + Encoding.UTF8.GetByteCount(Json(Capacity));
        DataStart = (length + Alignment - 1) / Alignment * Alignment;
    }

    /// <summary>The number of photos of a full shard.</summary>
    public int Capacity { get; }

    /// <summary>The place of the first tensor in the file.</summary>
    public int DataStart { get; }

    /// <summary>The place of a tensor in the file; for the number of tensors the length of the file.</summary>
    public long OffsetOf(int index) => DataStart + ((long)index * _settings.PhotoBytes);

    /// <summary>The header of a shard with some photos, padded with spaces.</summary>
    public byte[] Header(int count)
    {
        byte[] header = new byte[DataStart];
        header.AsSpan().Fill((byte)' ');
        BitConverter.TryWriteBytes(header, (ulong)(DataStart - SafetensorsHeader.LengthBytes));
        Encoding.UTF8.GetBytes(Json(count), header.AsSpan(SafetensorsHeader.LengthBytes));
        return header;
    }

    private string Json(int count)
    {
        StringBuilder json = new();
        json.Append(CultureInfo.InvariantCulture, $"{{\"{SafetensorsHeader.MetadataName}\":{_metadata}");
        for (int index = 0; index < count; index++)
        {
            long first = (long)index * _settings.PhotoBytes;
            json.Append(CultureInfo.InvariantCulture, $",\"{TokenPlace.TensorOf(index)}\":{{\"dtype\":" +
                $"\"{_settings.Type}\",\"shape\":[{_settings.TokenCount},{_settings.TokenWidth}]," +
                $"\"data_offsets\":[{first},{first + _settings.PhotoBytes}]}}");
        }

        return json.Append('}').ToString();
    }
}
