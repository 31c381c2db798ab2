namespace MsResampler.Server.Protocol;

/// <summary>Why a request has no answer. Each kind has one HTTP status and one gRPC status.</summary>
internal enum ErrorKind
{
    /// <summary>The request is wrong: 400, INVALID_ARGUMENT.</summary>
    InvalidRequest,

    /// <summary>There is no such model, version or path: 404, NOT_FOUND.</summary>
    NotFound,

    /// <summary>The request exceeds a limit of the server: 413, RESOURCE_EXHAUSTED.</summary>
    TooLarge,

    /// <summary>The queue or the memory for requests is full: 429 with Retry-After, RESOURCE_EXHAUSTED.</summary>
    Busy,

    /// <summary>The model is not ready, has failed, or the server stops: 503, UNAVAILABLE.</summary>
    Unavailable,

    /// <summary>The deadline of the request has passed: 503, DEADLINE_EXCEEDED.</summary>
    DeadlineExceeded,

    /// <summary>The server failed: 500, INTERNAL.</summary>
    Internal,
}
