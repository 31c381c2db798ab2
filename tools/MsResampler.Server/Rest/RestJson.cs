using System.Text.Encodings.Web;
using System.Text.Json;

namespace MsResampler.Server.Rest;

/// <summary>Writes answers that are JSON.</summary>
internal static class RestJson
{
    /// <summary>How answers are written. They are never part of a page, so that only what JSON needs is
    /// escaped.</summary>
    public static JsonWriterOptions Options { get; } = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };

    /// <summary>Answers JSON.</summary>
    public static Task WriteAsync(HttpContext context, int status, ReadOnlyMemory<byte> json)
    {
        HttpResponse response = context.Response;
        response.StatusCode = status;
        response.ContentType = RestHeaders.Json;
        response.ContentLength = json.Length;
        return response.Body.WriteAsync(json, context.RequestAborted).AsTask();
    }
}
