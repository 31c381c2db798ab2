namespace MsResampler.Perf.Serving;

/// <summary>The answer to a request.</summary>
/// <param name="Status">The status of HTTP; for gRPC 200 if its status is 0, and else its status.</param>
/// <param name="Body">The body, or the message of gRPC.</param>
internal readonly record struct ServingAnswer(int Status, ReadOnlyMemory<byte> Body)
{
    /// <summary>The status of an answer with tokens.</summary>
    public const int Success = 200;

    /// <summary>Whether it is a success with these tokens, which are its last bytes in both protocols.</summary>
    public bool IsRight(PreparedCall call) => Status == Success && Body.Span.EndsWith(call.Tokens);

    /// <summary>A short description for error messages.</summary>
    public string Describe() => Status == Success ? $"other tokens, in {Body.Length} bytes"
        : $"status {Status}: {System.Text.Encoding.UTF8.GetString(Body.Span[..Math.Min(Body.Length, 300)])}";
}
