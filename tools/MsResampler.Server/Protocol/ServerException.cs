namespace MsResampler.Server.Protocol;

/// <summary>A request that has no answer. The message is for the client: it names the thing, what was expected and what
/// was found, and never contains a path of the server or a stack trace.</summary>
/// <param name="kind">The kind, which decides the status.</param>
/// <param name="message">The message for the client.</param>
/// <param name="innerException">The cause, which is not shown to the client, or null.</param>
internal sealed class ServerException(ErrorKind kind, string message, Exception? innerException = null)
    : Exception(message, innerException)
{
    /// <summary>The kind, which decides the status.</summary>
    public ErrorKind Kind { get; } = kind;

    /// <summary>When a client may try again; only for <see cref="ErrorKind.Busy"/> and
    /// <see cref="ErrorKind.Unavailable"/>.</summary>
    public TimeSpan? RetryAfter { get; init; }
}
