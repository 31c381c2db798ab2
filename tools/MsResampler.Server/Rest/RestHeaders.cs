namespace MsResampler.Server.Rest;

/// <summary>Headers and content types.</summary>
internal static class RestHeaders
{
    /// <summary>The number of bytes of the JSON before binary data.</summary>
    public const string JsonLength = "Inference-Header-Content-Length";

    /// <summary>The content type of answers without binary data.</summary>
    public const string Json = "application/json";

    /// <summary>The content type of answers with binary data.</summary>
    public const string Binary = "application/octet-stream";
}
