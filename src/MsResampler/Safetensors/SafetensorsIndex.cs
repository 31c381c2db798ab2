using System.Buffers;
using System.Text.Json;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Safetensors;

/// <summary>The index of a sharded checkpoint: which shard holds which tensor.</summary>
internal static class SafetensorsIndex
{
    private static readonly SearchValues<char> s_outsidePlainNames =
        SearchValues.Create([.. "/\\:", .. Enumerable.Range(0, ' ').Select(code => (char)code)]);

    /// <summary>Validates an index and returns the shard of each tensor.</summary>
    public static Dictionary<string, string> Parse(ReadOnlySpan<byte> bytes, string source)
    {
        StrictJson json = new(bytes, source);
        Dictionary<string, string>? shards = null;
        json.ReadRoot();
        while (json.ReadProperty())
        {
            if (!json.IsText("weight_map"u8))
            {
                json.SkipValue();
                continue;
            }

            if (shards is not null)
                json.Fail(SafetensorsError.DuplicateField, "expected weight_map once, found it twice");
            shards = ReadWeightMap(ref json);
        }

        json.ReadEnd();
        if (shards is null)
        {
            json.Fail(SafetensorsError.MissingField,
                "expected a weight_map, found none; is this the index of a checkpoint?");
        }

        return shards;
    }

    private static Dictionary<string, string> ReadWeightMap(ref StrictJson json)
    {
        if (json.Read() != JsonTokenType.StartObject)
            json.Fail(SafetensorsError.EntryNotObject, $"weight_map: expected an object, found {json.Found}");

        Dictionary<string, string> shards = [];
        Dictionary<string, string> shared = []; // interns the names: one string per shard instead of one per tensor
        while (json.ReadProperty())
        {
            json.Tensor = json.GetString();
            if (json.Read() != JsonTokenType.String)
            {
                json.Fail(SafetensorsError.ShardNotString,
                    $"expected the name of a shard, found {json.Found}");
            }

            string shard = json.GetString();
            if (shared.TryGetValue(shard, out string? known))
            {
                shard = known;
            }
            else
            {
                if (!IsPlainName(shard))
                {
                    json.Fail(SafetensorsError.ShardOutsideFolder,
                        $"expected the plain name of a file beside the index, found {Quote(shard)}");
                }

                shared.Add(shard, shard);
            }

            if (!shards.TryAdd(json.Tensor, shard))
            {
                json.Fail(SafetensorsError.TensorInTwoShards, "expected one shard, found " +
                    $"{Quote(shards[json.Tensor])} and {Quote(shard)}");
            }
        }

        json.Tensor = null;
        return shards;
    }

    // Rejects every separator of every operating system, so that a name is valid everywhere or nowhere.
    private static bool IsPlainName(string name) =>
        name.Length > 0 && name is not ("." or "..") && !name.AsSpan().ContainsAny(s_outsidePlainNames);
}
