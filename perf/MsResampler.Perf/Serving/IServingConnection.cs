namespace MsResampler.Perf.Serving;

/// <summary>One connection to a server, with one call at a time.</summary>
internal interface IServingConnection : IDisposable
{
    /// <summary>Sends a request and reads its whole answer.</summary>
    /// <returns>The answer, valid until the next call.</returns>
    ValueTask<ServingAnswer> CallAsync(PreparedCall call, CancellationToken cancellationToken);
}
