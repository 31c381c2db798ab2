using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Text.Json;
using MsResampler.Server.Limits;
using MsResampler.Server.Models;
using MsResampler.Server.Outputs;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Rest;

/// <summary>The answer to a request. Binary data come straight from the result; long JSON is written in
/// pieces.</summary>
/// <param name="response">Where the answer goes.</param>
/// <param name="modelName">The name of the model.</param>
/// <param name="id">The identifier of the request, or null.</param>
/// <param name="outputs">The outputs.</param>
/// <param name="memory">Where the memory of JSON before binary data is reserved.</param>
internal sealed class InferResponse(HttpResponse response, string modelName, string? id, OutputTensor[] outputs,
    MemoryLease memory)
{
    // Values of JSON that are written at once: about 64 KiB.
    private const int PieceLength = 4096;

    // The longest float32 in JSON, such as -1.2345678E-38, and a comma.
    private const int LongestNumber = 16;

    // Values of binary data that are written at once.
    private const int BinaryPieceLength = 1 << 14;

    /// <summary>Writes the answer.</summary>
    public async Task WriteAsync(CancellationToken cancellationToken)
    {
        bool isBinary = outputs.Any(output => output.IsBinary);
        long jsonCount = outputs.Where(output => !output.IsBinary).Sum(output => (long)output.Values.Length);
        response.ContentType = isBinary ? RestHeaders.Binary : RestHeaders.Json;
        if (!isBinary && jsonCount > PieceLength)
        {
            await WriteJsonAsync(response.BodyWriter, cancellationToken).ConfigureAwait(false);
            await response.BodyWriter.FlushAsync(cancellationToken).ConfigureAwait(false);
            return;
        }

        memory.Grow(jsonCount * LongestNumber);
        ArrayBufferWriter<byte> json = new();
        await WriteJsonAsync(json, cancellationToken).ConfigureAwait(false);
        if (isBinary)
        {
            response.Headers[RestHeaders.JsonLength] = json.WrittenCount.ToString(CultureInfo.InvariantCulture);
        }

        response.ContentLength = json.WrittenCount + outputs.Where(output => output.IsBinary)
            .Sum(output => output.RawLength);
        await response.BodyWriter.WriteAsync(json.WrittenMemory, cancellationToken).ConfigureAwait(false);
        foreach (OutputTensor output in outputs.Where(output => output.IsBinary))
            await WriteBinaryAsync(output, cancellationToken).ConfigureAwait(false);
    }

    private async Task WriteBinaryAsync(OutputTensor output, CancellationToken cancellationToken)
    {
        PipeWriter body = response.BodyWriter;
        for (int start = 0; start < output.Values.Length; start += BinaryPieceLength)
        {
            int count = Math.Min(BinaryPieceLength, output.Values.Length - start);
            int length = count * Datatypes.SizeOf(output.Datatype);
            output.WriteRaw(start, count, body.GetSpan(length)[..length]);
            body.Advance(length);
            await body.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task WriteJsonAsync(IBufferWriter<byte> destination, CancellationToken cancellationToken)
    {
        using Utf8JsonWriter writer = new(destination, RestJson.Options);
        writer.WriteStartObject();
        writer.WriteString("model_name"u8, modelName);
        writer.WriteString("model_version"u8, ServedModel.Version);
        if (id is not null)
            writer.WriteString("id"u8, id);
        writer.WriteStartArray("outputs"u8);
        foreach (OutputTensor output in outputs)
        {
            writer.WriteStartObject();
            writer.WriteString("name"u8, output.Name);
            writer.WriteStartArray("shape"u8);
            foreach (long extent in output.Shape)
                writer.WriteNumberValue(extent);
            writer.WriteEndArray();
            writer.WriteString("datatype"u8, Datatypes.NameOf(output.Datatype));
            if (output.IsBinary)
                WriteBinarySize(writer, output);
            else
                await WriteDataAsync(writer, output, destination as PipeWriter, cancellationToken)
                    .ConfigureAwait(false);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.Flush();
    }

    private static void WriteBinarySize(Utf8JsonWriter writer, OutputTensor output)
    {
        writer.WriteStartObject("parameters"u8);
        writer.WriteNumber("binary_data_size"u8, output.RawLength);
        writer.WriteEndObject();
    }

    private static async Task WriteDataAsync(Utf8JsonWriter writer, OutputTensor output, PipeWriter? body,
        CancellationToken cancellationToken)
    {
        writer.WriteStartArray("data"u8);
        for (int start = 0; start < output.Values.Length; start += PieceLength)
        {
            int count = Math.Min(PieceLength, output.Values.Length - start);
            WriteValues(writer, output.Values.Span.Slice(start, count));
            if (body is null)
                continue;
            writer.Flush();
            await body.FlushAsync(cancellationToken).ConfigureAwait(false);
        }

        writer.WriteEndArray();
    }

    private static void WriteValues(Utf8JsonWriter writer, ReadOnlySpan<float> values)
    {
        foreach (float value in values)
            writer.WriteNumberValue(value);
    }
}
