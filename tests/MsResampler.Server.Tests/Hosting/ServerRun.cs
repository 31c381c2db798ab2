using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using MsResampler.Server.Hosting;

namespace MsResampler.Server.Tests.Hosting;

/// <summary>A server in a process of its own, which ends with this object at the latest.</summary>
internal sealed partial class ServerRun : IDisposable
{
    /// <summary>The longest time for what takes a second or two on a machine that does nothing else.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(5);

    private readonly ConcurrentQueue<string> _output = [];
    private readonly Task _outputEnd;
    private readonly Task<string> _error;

    private ServerRun(ProcessStartInfo start, bool readsOutput)
    {
        start.RedirectStandardOutput = true;
        start.RedirectStandardError = true;
        Process = Process.Start(start)!;
        _error = Process.StandardError.ReadToEndAsync();
        _outputEnd = readsOutput ? Task.Run(ReadAsync) : Task.CompletedTask;
    }

    /// <summary>The process. Its shell has been replaced by the server.</summary>
    public Process Process { get; }

    /// <summary>The lines of standard output so far.</summary>
    public IReadOnlyCollection<string> Output => _output;

    /// <summary>The addresses that the process listens on, in the order of its lines.</summary>
    public IReadOnlyList<Uri> Addresses => [.. _output.Select(line => AddressLine().Match(line))
        .Where(match => match.Success).Select(match => new Uri(match.Groups[1].Value))];

    /// <summary>The address of REST.</summary>
    public Uri Http => Addresses[0];

    /// <summary>The address of gRPC.</summary>
    public Uri Grpc => Addresses[1];

    /// <summary>Starts a server on free ports of the loopback address.</summary>
    public static ServerRun Start(params string[] args)
        => StartRaw(["--http", "0", "--grpc", "0", "--address", "127.0.0.1", .. args]);

    /// <summary>Starts a server with exactly these arguments.</summary>
    public static ServerRun StartRaw(params string[] args) => StartIn(new Surroundings(), args);

    /// <summary>Starts a server in surroundings of its own.</summary>
    public static ServerRun StartIn(Surroundings surroundings, params string[] args)
    {
        // If the tests run in the background of a shell, the shell ignores INT and QUIT in its child processes.
        ProcessStartInfo start = new("sh",
        [
            "-c", $"{surroundings.Before}\nexec {surroundings.Prefix} \"$0\" \"$@\" {surroundings.Redirections}",
            "dotnet", typeof(ServerApplication).Assembly.Location, .. args,
        ])
        {
            WorkingDirectory = surroundings.Folder ?? "",
        };
        start.Environment["MSRESAMPLER_CACHE"] = "none";
        // Otherwise the runtime itself creates a file that is larger than the limits set by tests.
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0";
        foreach ((string name, string? value) in surroundings.Variables)
            start.Environment[name] = value;
        return new ServerRun(start, surroundings.ReadsOutput);
    }

    /// <summary>Waits until the server listens, and its models are ready or cannot be used.</summary>
    /// <param name="modelCount">The number of models.</param>
    public ServerRun WaitUntilReady(int modelCount = 1)
    {
        WaitFor(() => _output.Count(line => ModelLine().IsMatch(line)) >= modelCount, "the server is ready");
        return this;
    }

    /// <summary>Waits until a line of the output matches.</summary>
    public void WaitForLine(string pattern)
        => WaitFor(() => _output.Any(line => Regex.IsMatch(line, pattern)), pattern);

    /// <summary>Waits until a condition holds; fails if the process ends before.</summary>
    public void WaitFor(Func<bool> condition, string what)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (Process.HasExited && !condition())
                Assert.Fail($"{what}: the process has ended with {Process.ExitCode}: {_error.Result}\n{Text}");
            if (Stopwatch.GetElapsedTime(start) > Patience)
                Assert.Fail($"{what}: not within {Patience}\n{Text}");
            Thread.Sleep(s_poll);
        }
    }

    /// <summary>Sends a signal such as "TERM".</summary>
    public void Signal(string name)
    {
        using Process kill = Process.Start("sh",
            ["-c", string.Create(CultureInfo.InvariantCulture, $"kill -{name} {Process.Id}")]);
        kill.WaitForExit();
    }

    /// <summary>Waits until the process has ended.</summary>
    /// <returns>The exit code, and standard error.</returns>
    public (int ExitCode, string Error) WaitForExit()
    {
        Assert.That(Process.WaitForExit(Patience), $"the process has not ended\n{Text}");
        _outputEnd.Wait(Patience);
        return (Process.ExitCode, _error.Result);
    }

    /// <summary>Sends TERM and waits until the process has ended.</summary>
    public void StopsCleanly()
    {
        Signal("TERM");
        (int exitCode, string error) = WaitForExit();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(exitCode, Is.Zero, Text);
            Assert.That(error, Is.Empty);
        }
    }

    /// <summary>Asserts that the process ends with exit code 2 and one line on standard error with the words.</summary>
    public void FailsNaming(params string[] words)
    {
        (int exitCode, string error) = WaitForExit();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(exitCode, Is.EqualTo(2), Text);
            Assert.That(error, Does.StartWith("error: ").And.EndWith("\n"));
            Assert.That(error.TrimEnd('\n'), Does.Not.Contain("\n"));
            foreach (string word in words)
                Assert.That(error, Does.Contain(word));
        }
    }

    public void Dispose()
    {
        Process.Kill(entireProcessTree: true);
        Process.WaitForExit();
        Process.Dispose();
    }

    private string Text => string.Join('\n', _output);

    private async Task ReadAsync()
    {
        while (await Process.StandardOutput.ReadLineAsync() is { } line)
            _output.Enqueue(line);
    }

    [GeneratedRegex(@"listening on (https?://[^\s""]+)")]
    private static partial Regex AddressLine();

    [GeneratedRegex(@"model \S+ (is ready|cannot be used)")]
    private static partial Regex ModelLine();

    /// <summary>What a process finds when it starts.</summary>
    internal sealed record Surroundings
    {
        /// <summary>Shell commands before the server.</summary>
        public string Before { get; init; } = "";

        /// <summary>A command that starts the server, such as nohup.</summary>
        public string Prefix { get; init; } = "env";

        /// <summary>Redirections of the shell.</summary>
        public string Redirections { get; init; } = "";

        /// <summary>The current folder; null for that of the tests.</summary>
        public string? Folder { get; init; }

        /// <summary>Variables of the environment; null removes one.</summary>
        public (string Name, string? Value)[] Variables { get; init; } = [];

        /// <summary>Whether the test reads standard output, as most do.</summary>
        public bool ReadsOutput { get; init; } = true;
    }
}
