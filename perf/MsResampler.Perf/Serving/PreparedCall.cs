using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Google.Protobuf;
using MsResampler.Server.Grpc.Protocol;

namespace MsResampler.Perf.Serving;

/// <summary>A request as the bytes of both protocols, and its right answer. Nothing is computed when it is
/// sent.</summary>
/// <param name="Rest">The request of REST: the head and the body, features as binary data.</param>
/// <param name="RestHeadLength">The length of the head.</param>
/// <param name="JsonLength">The length of the JSON at the start of the body.</param>
/// <param name="Grpc">The message of gRPC with its prefix.</param>
/// <param name="Tokens">The bytes of the right tokens.</param>
internal sealed record PreparedCall(byte[] Rest, int RestHeadLength, int JsonLength, byte[] Grpc, byte[] Tokens)
{
    /// <summary>The prefix of a message of gRPC: a byte for compression and four for the length.</summary>
    public const int GrpcPrefixLength = 5;

    /// <summary>The path of inference over REST.</summary>
    public const string RestPath = $"/v2/models/{ServerProcess.ModelName}/infer";

    /// <summary>Prepares a request of images with the same grid.</summary>
    /// <param name="features">The features, [images, patches, C].</param>
    /// <param name="grids">The grid of each image.</param>
    /// <param name="width">C.</param>
    /// <param name="tokens">The tokens of the engine.</param>
    public static PreparedCall Of(float[] features, PatchGrid[] grids, int width, float[] tokens)
    {
        byte[] raw = MemoryMarshal.AsBytes(features.AsSpan()).ToArray();
        string values = string.Join(',', grids.Select(grid => string.Create(CultureInfo.InvariantCulture,
            $"{grid.Rows},{grid.Columns}")));
        string json = string.Create(CultureInfo.InvariantCulture, $$$"""
            {"inputs":[{"name":"features","datatype":"FP32","shape":[{{{features.Length / width}}},{{{width}}}],
            "parameters":{"binary_data_size":{{{raw.Length}}}}},
            {"name":"grids","datatype":"INT32","shape":[{{{grids.Length}}},2],"data":[{{{values}}}]}],
            "parameters":{"binary_data_output":true}}
            """);
        byte[] head = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
            $"POST {RestPath} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n" +
            $"Inference-Header-Content-Length: {json.Length}\r\nContent-Length: {json.Length + raw.Length}\r\n\r\n"));
        return new PreparedCall([.. head, .. Encoding.ASCII.GetBytes(json), .. raw], head.Length,
            json.Length, WithPrefix(Message(raw, grids, features.Length / width, width)),
            MemoryMarshal.AsBytes(tokens.AsSpan()).ToArray());
    }

    private static ModelInferRequest Message(byte[] features, PatchGrid[] grids, int patchCount, int width)
    {
        byte[] rows = new byte[8 * grids.Length];
        for (int index = 0; index < grids.Length; index++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(rows.AsSpan(8 * index), grids[index].Rows);
            BinaryPrimitives.WriteInt32LittleEndian(rows.AsSpan((8 * index) + 4), grids[index].Columns);
        }

        ModelInferRequest message = new() { ModelName = ServerProcess.ModelName };
        message.Inputs.Add(Tensor("features", "FP32", patchCount, width));
        message.Inputs.Add(Tensor("grids", "INT32", grids.Length, 2));
        message.RawInputContents.Add(ByteString.CopyFrom(features));
        message.RawInputContents.Add(ByteString.CopyFrom(rows));
        return message;
    }

    private static ModelInferRequest.Types.InferInputTensor Tensor(string name, string datatype, params long[] shape)
        => new() { Name = name, Datatype = datatype, Shape = { shape } };

    private static byte[] WithPrefix(ModelInferRequest message)
    {
        byte[] bytes = new byte[GrpcPrefixLength + message.CalculateSize()];
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(1), bytes.Length - GrpcPrefixLength);
        message.WriteTo(bytes.AsSpan(GrpcPrefixLength));
        return bytes;
    }
}
