using System.Net.Security;

namespace MsResampler.Server.Hosting.Processes;

/// <summary>Asks another server whether it works, for containers without tools.</summary>
internal static class HealthProbe
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(5);

    /// <summary>Asks an address.</summary>
    /// <param name="address">The address.</param>
    /// <param name="error">Gets a line if the answer is not a success.</param>
    /// <returns>The exit code: 0 if the answer is a success, and else 1.</returns>
    public static async Task<int> AskAsync(Uri address, TextWriter error)
    {
        // The certificate of a server on this machine names the host that its clients use.
        using SocketsHttpHandler handler = new() { UseProxy = false };
        handler.SslOptions.RemoteCertificateValidationCallback = (_, _, _, errors)
            => errors == SslPolicyErrors.None || address.IsLoopback;
        using HttpClient client = new(handler) { Timeout = s_timeout };
        try
        {
            using HttpResponseMessage response = await client.GetAsync(address).ConfigureAwait(false);
            if (response.IsSuccessStatusCode)
                return 0;
            await error.WriteLineAsync($"error: {address}: expected success, found {(int)response.StatusCode}")
                .ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException)
        {
            await error.WriteLineAsync($"error: {address}: {exception.Message}").ConfigureAwait(false);
        }

        return 1;
    }
}
