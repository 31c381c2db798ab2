using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using MsResampler.Server.Hosting;

namespace MsResampler.Perf.Serving;

/// <summary>A server in a process of its own, on free ports of the loopback address.</summary>
internal sealed class ServerProcess : IDisposable
{
    /// <summary>The name of the model in the protocol.</summary>
    public const string ModelName = "tokens";

    private const string ReadyPath = "/v2/health/ready";
    private const int Terminate = 15;
    private static readonly TimeSpan s_startLimit = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_stopLimit = TimeSpan.FromSeconds(40);

    private readonly StringBuilder _output = new();

    private ServerProcess(Process process, int httpPort, int grpcPort)
    {
        Process = process;
        Http = new IPEndPoint(IPAddress.Loopback, httpPort);
        Grpc = new IPEndPoint(IPAddress.Loopback, grpcPort);
    }

    /// <summary>The process.</summary>
    public Process Process { get; }

    /// <summary>The port of REST.</summary>
    public IPEndPoint Http { get; }

    /// <summary>The port of gRPC.</summary>
    public IPEndPoint Grpc { get; }

    /// <summary>The time of processors that it has used.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            Process.Refresh();
            return Process.TotalProcessorTime;
        }
    }

    /// <summary>The memory that it occupies, in bytes.</summary>
    public long ResidentBytes
    {
        get
        {
            Process.Refresh();
            return Process.WorkingSet64;
        }
    }

    /// <summary>Starts a server and waits until it is ready.</summary>
    /// <param name="model">The model folder.</param>
    /// <param name="options">More options of the command.</param>
    public static ServerProcess Start(string model, params string[] options)
    {
        (int http, int grpc) = (FreePort(), FreePort());
        ProcessStartInfo start = new("dotnet",
        [
            typeof(ServerSettings).Assembly.Location, "--model", $"{ModelName}={model}", "--backend", "cpu",
            "--address", "127.0.0.1", "--http", http.ToString(CultureInfo.InvariantCulture),
            "--grpc", grpc.ToString(CultureInfo.InvariantCulture), .. options,
        ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        ServerProcess server = new(System.Diagnostics.Process.Start(start)!, http, grpc);
        server.ReadOutput();
        try
        {
            server.WaitUntilReady();
        }
        catch
        {
            server.Dispose();
            throw;
        }

        return server;
    }

    /// <summary>Sends SIGTERM and waits for the end.</summary>
    /// <returns>The exit code.</returns>
    public int Stop()
    {
        _ = NativeMethods.Kill(Process.Id, Terminate);
        if (!Process.WaitForExit(s_stopLimit))
            throw new InvalidOperationException($"expected the server to end within {s_stopLimit.TotalSeconds:0} s " +
                $"after SIGTERM, found it running\n{Output}");
        return Process.ExitCode;
    }

    /// <summary>The text of a path of REST.</summary>
    public string Get(string path)
    {
        using HttpClient client = new() { Timeout = TimeSpan.FromSeconds(10) };
        return client.GetStringAsync(new Uri($"http://{Http}{path}")).GetAwaiter().GetResult();
    }

    /// <summary>What the server has written.</summary>
    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    public void Dispose()
    {
        if (!Process.HasExited)
            Process.Kill();
        Process.WaitForExit();
        Process.Dispose();
    }

    private void ReadOutput()
    {
        Process.OutputDataReceived += (_, line) => Append(line.Data);
        Process.ErrorDataReceived += (_, line) => Append(line.Data);
        Process.BeginOutputReadLine();
        Process.BeginErrorReadLine();

        void Append(string? line)
        {
            lock (_output)
                _output.Append(line).Append('\n');
        }
    }

    private void WaitUntilReady()
    {
        using HttpClient client = new() { Timeout = TimeSpan.FromSeconds(5) };
        Uri address = new($"http://{Http}{ReadyPath}");
        Stopwatch waited = Stopwatch.StartNew();
        while (waited.Elapsed < s_startLimit && !Process.HasExited)
        {
            try
            {
                using HttpResponseMessage answer = client.Send(new HttpRequestMessage(HttpMethod.Get, address));
                if (answer.IsSuccessStatusCode)
                    return;
            }
            catch (HttpRequestException)
            {
                // The port is not open yet.
            }

            Thread.Sleep(20);
        }

        throw new InvalidOperationException($"expected a server that becomes ready, found\n{Output}");
    }

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
