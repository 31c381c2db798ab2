using System.Net;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using MsResampler.Server.Hosting.Configuration;

namespace MsResampler.Server.Hosting;

/// <summary>Ports and limits of the web server.</summary>
internal static class KestrelSetup
{
    private const int GrpcMessageHeaderBytes = 5;
    private const int MaxHeaderCount = 64;
    private const int MaxHeaderBytes = 16 << 10;
    private const int MaxRequestLineBytes = 8 << 10;
    private const int MaxStreamCount = 256;

    // A round trip of 20 ms still allows 50 MB/s on a stream and 100 MB/s on a connection. A client can make the server
    // hold as much as the window of its connection.
    private const int StreamWindowBytes = 1 << 20;
    private const int ConnectionWindowBytes = 2 << 20;
    private const int MaxFrameBytes = 64 << 10;

    // A slow client holds the memory of its request. Small requests and answers may take the grace period.
    private const double MinBytesPerSecond = 16 << 10;
    private static readonly TimeSpan s_rateGrace = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_headersTimeout = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan s_keepAliveTimeout = TimeSpan.FromSeconds(130);
    private static readonly TimeSpan s_pingDelay = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_pingTimeout = TimeSpan.FromSeconds(20);

    /// <summary>Sets up the web server.</summary>
    /// <param name="kestrel">The web server.</param>
    /// <param name="settings">The settings of the server.</param>
    /// <param name="platform">The configuration with the section <c>Kestrel</c>.</param>
    public static void Configure(KestrelServerOptions kestrel, ServerSettings settings, IConfiguration platform)
    {
        kestrel.AddServerHeader = false;
        SetLimits(kestrel.Limits, settings);
        // Certificates can be configured without endpoints.
        kestrel.Configure(platform.GetSection("Kestrel"), reloadOnChange: false);
        if (platform.GetSection(ServerStart.EndpointsKey).Exists())
            return;
        Listen(kestrel, settings.Address, settings.Http, HttpProtocols.Http1);
        Listen(kestrel, settings.Address, settings.Grpc, HttpProtocols.Http2);
    }

    private static void SetLimits(KestrelServerLimits limits, ServerSettings settings)
    {
        limits.MaxConcurrentConnections = settings.MaxConnections > 0 ? settings.MaxConnections : null;
        limits.MaxConcurrentUpgradedConnections = 0;
        limits.MaxRequestBodySize = settings.MaxRequestBytes < long.MaxValue - GrpcMessageHeaderBytes
            ? settings.MaxRequestBytes + GrpcMessageHeaderBytes : null;
        limits.MaxRequestHeaderCount = MaxHeaderCount;
        limits.MaxRequestHeadersTotalSize = MaxHeaderBytes;
        limits.MaxRequestLineSize = MaxRequestLineBytes;
        limits.RequestHeadersTimeout = s_headersTimeout;
        limits.KeepAliveTimeout = s_keepAliveTimeout;
        limits.MinRequestBodyDataRate = new MinDataRate(MinBytesPerSecond, s_rateGrace);
        limits.MinResponseDataRate = new MinDataRate(MinBytesPerSecond, s_rateGrace);
        limits.Http2.MaxStreamsPerConnection = MaxStreamCount;
        limits.Http2.InitialStreamWindowSize = StreamWindowBytes;
        limits.Http2.InitialConnectionWindowSize = ConnectionWindowBytes;
        limits.Http2.MaxFrameSize = MaxFrameBytes;
        limits.Http2.KeepAlivePingDelay = s_pingDelay;
        limits.Http2.KeepAlivePingTimeout = s_pingTimeout;
    }

    private static void Listen(KestrelServerOptions kestrel, string address, int port, HttpProtocols protocols)
    {
        if (port < 0)
            return;
        void SetProtocols(ListenOptions listen) => listen.Protocols = protocols;
        if (address == "*")
            kestrel.ListenAnyIP(port, SetProtocols);
        else if (address != "localhost")
            kestrel.Listen(IPAddress.Parse(address), port, SetProtocols);
        else if (port == 0)
            kestrel.Listen(IPAddress.Loopback, port, SetProtocols);
        else
            kestrel.ListenLocalhost(port, SetProtocols);
    }
}
