namespace MsResampler.Perf.Soak;

/// <summary>What a client of the soak does.</summary>
internal enum SoakKind
{
    /// <summary>Sends right requests over REST and keeps its connection.</summary>
    RestRight,

    /// <summary>Sends right requests over gRPC.</summary>
    GrpcRight,

    /// <summary>Sends wrong requests over REST, each with its own mistake.</summary>
    RestWrong,

    /// <summary>Sends wrong requests over gRPC.</summary>
    GrpcWrong,

    /// <summary>Sends a right request in small pieces with pauses, and reads its answer so, too.</summary>
    RestSlow,

    /// <summary>Closes its connection somewhere in the request or while it waits.</summary>
    RestGone,

    /// <summary>Closes a connection of HTTP/2 in the middle of a body of REST.</summary>
    Http2Gone,

    /// <summary>Cancels its call.</summary>
    GrpcGone,
}
