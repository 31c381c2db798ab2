using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using MsResampler.Server.Tests.Deploy;
using MsResampler.Server.Tests.Hosting;

namespace MsResampler.Server.Tests.ScaleOut;

/// <summary>nginx with <c>deploy/nginx.conf</c>, in which only addresses and ports are replaced.</summary>
internal sealed partial class LoadBalancer : IAsyncDisposable
{
    private static readonly string[] s_folders = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"];
    private static readonly TimeSpan s_startLimit = TimeSpan.FromSeconds(20);
    private readonly TemporaryFolder _folder = new();
    private readonly Process _process;

    private LoadBalancer(string program, IReadOnlyList<ServerRun> replicas)
    {
        (int http, int grpc) = (FreePort(), FreePort());
        Http = new Uri($"http://127.0.0.1:{http}");
        Grpc = new Uri($"http://127.0.0.1:{grpc}");
        Directory.CreateDirectory(_folder.File("temp"));
        File.WriteAllText(_folder.File("site.conf"), Site(replicas, http, grpc));
        // One process that runs as the user of the test, with all its files in the folder.
        File.WriteAllText(_folder.File("nginx.conf"), """
            daemon off;
            master_process off;
            pid nginx.pid;
            error_log error.log;
            events { worker_connections 1024; }
            http {
                access_log off;
                client_body_temp_path temp/body;
                proxy_temp_path temp/proxy;
                fastcgi_temp_path temp/fastcgi;
                uwsgi_temp_path temp/uwsgi;
                scgi_temp_path temp/scgi;
                include site.conf;
            }
            """);
        _process = Process.Start(program, ["-p", _folder.Path, "-c", "nginx.conf", "-e", "error.log"]);
    }

    /// <summary>The address of REST.</summary>
    public Uri Http { get; }

    /// <summary>The address of gRPC.</summary>
    public Uri Grpc { get; }

    /// <summary>The program. Skips the running test if it is not installed.</summary>
    public static string ProgramOrSkip()
    {
        string? program = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Concat(s_folders).Select(folder => Path.Combine(folder, "nginx")).FirstOrDefault(File.Exists);
        Skip.If(program is null, "nginx is not installed.");
        return program!;
    }

    /// <summary>Starts it in front of servers.</summary>
    public static async Task<LoadBalancer> StartAsync(string program, IReadOnlyList<ServerRun> replicas)
    {
        LoadBalancer balancer = new(program, replicas);
        Stopwatch waited = Stopwatch.StartNew();
        while (true)
        {
            using TcpClient client = new();
            try
            {
                await client.ConnectAsync(balancer.Http.Host, balancer.Http.Port);
                return balancer;
            }
            catch (SocketException) when (waited.Elapsed < s_startLimit && !balancer._process.HasExited)
            {
                await Task.Delay(20);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        TestContext.Out.WriteLine(File.ReadAllText(_folder.File("error.log")));
        _folder.Dispose();
    }

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static string Site(IReadOnlyList<ServerRun> replicas, int http, int grpc)
    {
        string text = DeployFile.ReadOrSkip("nginx.conf");
        text = ExampleServers().Replace(text, match => string.Concat(replicas.Select(replica => string.Create(
            CultureInfo.InvariantCulture,
            $"    server {(match.Groups["port"].Value == "8080" ? replica.Http : replica.Grpc).Authority}" +
            $"{match.Groups["options"].Value};\n"))));
        string site = text.Replace("listen 8080;", $"listen {http};", StringComparison.Ordinal)
            .Replace("listen 8081 http2;", $"listen {grpc} http2;", StringComparison.Ordinal)
            .Replace("listen ", "listen 127.0.0.1:", StringComparison.Ordinal);
        Assert.That(site, Does.Not.Contain("192.0.2.").And.Not.Contain("8080").And.Not.Contain("8081"));
        return site;
    }

    /// <summary>The two servers of an upstream.</summary>
    [GeneratedRegex(@"(    server 192\.0\.2\.\d+:(?<port>\d+)(?<options>[^;]*);\n){2}")]
    private static partial Regex ExampleServers();
}
