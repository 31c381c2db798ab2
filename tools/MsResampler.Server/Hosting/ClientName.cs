using System.Net;

namespace MsResampler.Server.Hosting;

/// <summary>Who asks: the name by which the fair queue tells clients apart.</summary>
internal static class ClientName
{
    private const int LongestName = 256;

    /// <summary>The value of the header that the settings name, else the address of the client.</summary>
    public static string Of(HttpContext context, ServerSettings settings)
    {
        if (settings.ClientHeader is { } header && context.Request.Headers[header].ToString() is { Length: > 0 } name)
            return name.Length <= LongestName ? name : name[..LongestName];
        IPAddress? address = context.Connection.RemoteIpAddress;
        return (address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address)?.ToString() ?? "";
    }
}
